// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"
#include "ops/signal/signal.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using Complex = FourierTransform::Complex;

struct Mode {
  bool inverse;
  bool onesided;
  bool gives_real() const { return inverse && onesided; }
};

Mode mode_of(const ir::Attributes& attributes) {
  return {attributes.get_int("inverse") != 0, attributes.get_int("onesided") != 0};
}

// The axis, which is not the last one: that holds real and imaginary parts.
Result<int64_t> signal_axis(int64_t axis, int64_t rank) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t wrapped, InferContext::normalize_axis(axis, rank));
  if (wrapped < rank - 1) return wrapped;
  return Status(StatusCode::kInvalidModel, "the last axis holds complex numbers, not a signal");
}

template <typename Extent>
Extent default_length(const Mode& mode, const Extent& extent) {
  return mode.gives_real() ? (extent - Extent(1)) * Extent(2) : extent;
}

Status infer_dft(InferContext& c) {
  const Mode mode = mode_of(c.attributes());
  if (c.rank(0) < 2 || !is_floating(c.dtype(0))) {
    return c.error("takes a floating tensor of rank 2 or more, not " + ir::to_string(c.shape(0)));
  }
  ir::SymbolicShape shape = c.shape(0);
  const bool has_axis = has_parameter(c, "axis", 2);
  const auto axis = known_ints(c, "axis", 2);
  shape.back() = mode.gives_real() ? 1 : 2;
  if (has_axis && !axis) {
    for (size_t i = 0; i + 1 < shape.size(); ++i) shape[i] = c.fresh_symbol();
    c.set_output(0, c.dtype(0), std::move(shape));
    return Status::ok();
  }
  if (axis && axis->size() != 1) return c.error("takes one axis");
  Result<int64_t> at = signal_axis(axis ? axis->front() : -2, c.rank(0));
  if (!at.is_ok()) return c.error(at.status().message());
  ir::Dim& extent = shape[static_cast<size_t>(*at)];
  if (has_parameter(c, "dft_length", 1)) {
    const auto length = c.dims_parameter("dft_length", 1);
    extent = length && length->size() == 1 ? length->front() : c.fresh_symbol();
  } else {
    extent = default_length(mode, extent);
  }
  if (mode.onesided && !mode.inverse) extent = ir::Dim::floor_div(extent, 2) + 1;
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

// One signal, cut or filled up with zeros. A one-sided spectrum is completed by its conjugate.
void read_signal(const std::vector<double>& x, int64_t first, int64_t step, int64_t extent,
                 int64_t parts, const Mode& mode, std::vector<Complex>& signal) {
  const auto length = static_cast<int64_t>(signal.size());
  std::fill(signal.begin(), signal.end(), 0.0);
  const int64_t most = mode.gives_real() ? length / 2 + 1 : length;
  for (int64_t i = 0; i < std::min(extent, most); ++i) {
    const int64_t at = (first + i * step) * parts;
    signal[i] = {x[at], parts == 2 ? x[at + 1] : 0.0};
  }
  if (!mode.gives_real()) return;
  for (int64_t i = length / 2 + 1; i < length; ++i) signal[i] = std::conj(signal[length - i]);
  // Of the middle and the first, only the real part counts: the result is real.
  signal[0].imag(0.0);
  if (length % 2 == 0) signal[length / 2].imag(0.0);
}

struct Geometry {
  int64_t axis, length, bins, parts, out_parts;
  Shape shape;
};

Result<Geometry> geometry_of(const NodeFacts& node, const KernelRun& run) {
  const Mode mode = mode_of(node.attributes);
  const Shape& x = *run.input(0).shape;
  const auto rank = static_cast<int64_t>(x.size());
  Geometry g{};
  PENSTOCK_ASSIGN_OR_RETURN(g.axis, signal_axis(scalar_parameter(node, run, "axis", 2, -2), rank));
  g.length = scalar_parameter(node, run, "dft_length", 1, default_length(mode, x[g.axis]));
  g.parts = x.back();
  const bool wants_complex = mode.gives_real();
  const bool wants_real = mode.onesided && !mode.inverse;
  const bool fits = (g.parts == 1 && !wants_complex) || (g.parts == 2 && !wants_real);
  if (!fits || g.length < 1 || g.length > kMostFourierLength) {
    return Status(StatusCode::kInvalidArgument,
                  "DFT: no transform of length " + std::to_string(g.length) + " (at most " +
                      std::to_string(kMostFourierLength) + ") of " + to_string(x) +
                      ": the last axis must be 1, or 2 for complex numbers, which a one-sided "
                      "transform takes in its inverse only");
  }
  g.bins = wants_real ? g.length / 2 + 1 : g.length;
  g.out_parts = mode.gives_real() ? 1 : 2;
  g.shape = x;
  g.shape[g.axis] = g.bins;
  g.shape.back() = g.out_parts;
  return g;
}

Status reference_dft(const NodeFacts& node, KernelRun& run) {
  const Mode mode = mode_of(node.attributes);
  PENSTOCK_ASSIGN_OR_RETURN(const Geometry g, geometry_of(node, run));
  const Shape& x_shape = *run.input(0).shape;
  const std::vector<double> x = read_reals(run.input(0));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, g.shape));
  std::vector<double> y(static_cast<size_t>(out.count()));
  const int64_t outer = element_count(Shape(x_shape.begin(), x_shape.begin() + g.axis));
  const int64_t inner = element_count(Shape(x_shape.begin() + g.axis + 1, x_shape.end() - 1));
  const int64_t extent = x_shape[g.axis];
  FourierTransform transform(g.length, mode.inverse);
  std::vector<Complex> signal(static_cast<size_t>(g.length));
  std::vector<Complex> spectrum(signal.size());
  const double scale = mode.inverse ? 1.0 / static_cast<double>(g.length) : 1.0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      read_signal(x, o * extent * inner + i, inner, extent, g.parts, mode, signal);
      transform.run(signal.data(), spectrum.data());
      write_spectrum(spectrum.data(), g.bins, scale, g.out_parts, inner * g.out_parts,
                     y.data() + (o * g.bins * inner + i) * g.out_parts);
    }
  }
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kDft = {.name = "DFT",
                           .min_inputs = 1,
                           .max_inputs = 3,
                           .infer = infer_dft,
                           .reference = reference_dft,
                           .parameters = {{1, "dft_length"}, {2, "axis"}}};

}  // namespace penstock::ops
