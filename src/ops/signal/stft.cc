// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
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

bool is_onesided(const ir::Attributes& attributes) {
  return attributes.get_int("onesided", 1) != 0;
}

// A signal [batch, length, 1 or 2], the step between frames, a window and the frames' length.
Status infer_stft(InferContext& c) {
  if (c.rank(0) != 3 || !is_floating(c.dtype(0))) {
    return c.error("takes a floating signal of rank 3, not " + ir::to_string(c.shape(0)));
  }
  if (c.has_input(2) && c.rank(2) != 1) return c.error("the window must have rank 1");
  const ir::Dim signal = c.shape(0)[1];
  std::optional<ir::Dim> length = signal;
  if (has_parameter(c, "frame_length", 3)) {
    const auto given = c.dims_parameter("frame_length", 3);
    length = given && given->size() == 1 ? std::optional(given->front()) : std::nullopt;
  } else if (c.has_input(2)) {
    length = c.shape(2)[0];
  }
  const auto step = known_ints(c, "frame_step", 1);
  ir::Dim frames = c.fresh_symbol();
  if (length && step && step->size() == 1 && step->front() > 0) {
    frames = ir::Dim::floor_div(signal - *length, step->front()) + 1;
  }
  const ir::Dim whole = length ? *length : c.fresh_symbol();
  const ir::Dim bins = is_onesided(c.attributes()) ? ir::Dim::floor_div(whole, 2) + 1 : whole;
  c.set_output(0, c.dtype(0), {c.shape(0)[0], frames, bins, 2});
  return Status::ok();
}

struct Geometry {
  int64_t batch, extent, parts, length, step, frames, bins;
};

Result<Geometry> geometry_of(const NodeFacts& node, const KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  Geometry g{x[0], x[1], x[2], x[1], 0, 0, 0};
  const bool has_window = run.has_input(2);
  const int64_t window = has_window ? run.input(2).count() : 0;
  g.length = scalar_parameter(node, run, "frame_length", 3, has_window ? window : g.extent);
  g.step = scalar_parameter(node, run, "frame_step", 1, 0);
  const bool onesided = is_onesided(node.attributes);
  const bool fits = (g.parts == 1 || (g.parts == 2 && !onesided)) && g.length >= 1 &&
                    g.length <= g.extent && g.length <= kMostFourierLength && g.step >= 1 &&
                    (!has_window || window == g.length);
  if (!fits) {
    return Status(StatusCode::kInvalidArgument,
                  "STFT: no frames of " + std::to_string(g.length) + ", " + std::to_string(g.step) +
                      " apart, of a signal " + to_string(x) +
                      ": a window must have the frames' length, and one-sided transforms take "
                      "real signals only");
  }
  g.frames = (g.extent - g.length) / g.step + 1;
  g.bins = onesided ? g.length / 2 + 1 : g.length;
  return g;
}

Status reference_stft(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const Geometry g, geometry_of(node, run));
  const std::vector<double> x = read_reals(run.input(0));
  std::vector<double> window(static_cast<size_t>(g.length), 1.0);
  if (run.has_input(2)) window = read_reals(run.input(2));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, {g.batch, g.frames, g.bins, 2}));
  std::vector<double> y(static_cast<size_t>(out.count()));
  FourierTransform transform(g.length, false);
  std::vector<Complex> signal(static_cast<size_t>(g.length));
  std::vector<Complex> spectrum(signal.size());
  for (int64_t frame = 0; frame < g.batch * g.frames; ++frame) {
    const int64_t first = frame / g.frames * g.extent + frame % g.frames * g.step;
    for (int64_t i = 0; i < g.length; ++i) {
      const double* at = &x[(first + i) * g.parts];
      signal[i] = Complex(at[0], g.parts == 2 ? at[1] : 0.0) * window[i];
    }
    transform.run(signal.data(), spectrum.data());
    write_spectrum(spectrum.data(), g.bins, 1.0, 2, 2, y.data() + frame * g.bins * 2);
  }
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kStft = {.name = "STFT",
                            .min_inputs = 1,
                            .max_inputs = 4,
                            .infer = infer_stft,
                            .reference = reference_stft,
                            .parameters = {{1, "frame_step"}, {3, "frame_length"}}};

}  // namespace penstock::ops
