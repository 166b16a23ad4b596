// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/signal/signal.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

DataType output_type(const ir::Attributes& attributes) {
  return static_cast<DataType>(
      attributes.get_int("output_datatype", static_cast<int64_t>(DataType::kFloat32)));
}

// Bands, length of the transform, sample rate, lower and upper edge in hertz: all scalars.
Status infer_mel_weight_matrix(InferContext& c) {
  const auto extent = [&](size_t i) -> std::optional<ir::Dim> {
    const std::vector<ir::Dim>* known = c.contents(i);
    if (known == nullptr || known->size() != 1) return std::nullopt;
    return known->front();
  };
  const DataType dtype = output_type(c.attributes());
  if (!is_floating(dtype) && !is_integer(dtype)) return c.error("no such output_datatype");
  const auto bands = extent(0);
  const auto length = extent(1);
  const ir::Dim rows = length ? ir::Dim::floor_div(*length, 2) + 1 : c.fresh_symbol();
  c.set_output(0, dtype, {rows, bands ? *bands : c.fresh_symbol()});
  return Status::ok();
}

double mel_of(double hertz) { return 2595.0 * std::log10(1.0 + hertz / 700.0); }
double hertz_of(double mel) { return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0); }

// The spectrum's bins where the triangles begin, peak and end; those of neighbours overlap.
Result<std::vector<int64_t>> edges_of(const std::vector<double>& in) {
  const double bands = in[0], length = in[1], rate = in[2];
  constexpr double kMost = 1 << 20;
  const double low = mel_of(in[3]);
  const double step = (mel_of(in[4]) - low) / (bands + 2);
  const double bins = std::floor(length / 2) + 1;
  bool fits = bands >= 0 && bands <= kMost && length >= 0 && length <= kMost && rate > 0;
  std::vector<int64_t> edges;
  for (int64_t i = 0; fits && i < static_cast<int64_t>(bands) + 2; ++i) {
    const double hertz = hertz_of(low + static_cast<double>(i) * step);
    const double edge = std::floor((length + 1) * hertz / rate);
    fits = edge >= 0 && edge < bins && (edges.empty() || edge >= static_cast<double>(edges.back()));
    if (fits) edges.push_back(static_cast<int64_t>(edge));
  }
  if (fits) return edges;
  return Status(StatusCode::kInvalidArgument,
                "MelWeightMatrix: " + std::to_string(bands) + " bands from " +
                    std::to_string(in[3]) + " to " + std::to_string(in[4]) +
                    " hertz do not lie in a spectrum of length " + std::to_string(length) + " at " +
                    std::to_string(rate) + " samples a second");
}

Status reference_mel_weight_matrix(const NodeFacts&, KernelRun& run) {
  std::vector<double> in;
  for (size_t i = 0; i < 5; ++i) {
    const std::vector<double> value = read_reals(run.input(i));
    if (value.size() != 1) return {StatusCode::kInvalidArgument, "MelWeightMatrix: takes scalars"};
    in.push_back(value[0]);
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> edges, edges_of(in));
  const auto bands = static_cast<int64_t>(in[0]);
  const int64_t bins = static_cast<int64_t>(in[1]) / 2 + 1;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, {bins, bands}));
  std::vector<double> y(static_cast<size_t>(bins * bands), 0.0);
  for (int64_t band = 0; band < bands; ++band) {
    const int64_t first = edges[band], peak = edges[band + 1], last = edges[band + 2];
    for (int64_t bin = first; bin < peak; ++bin) {
      y[bin * bands + band] = static_cast<double>(bin - first) / static_cast<double>(peak - first);
    }
    y[peak * bands + band] = 1.0;
    for (int64_t bin = peak; bin < last; ++bin) {
      y[bin * bands + band] = static_cast<double>(last - bin) / static_cast<double>(last - peak);
    }
  }
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kMelWeightMatrix = {.name = "MelWeightMatrix",
                                       .min_inputs = 5,
                                       .max_inputs = 5,
                                       .infer = infer_mel_weight_matrix,
                                       .reference = reference_mel_weight_matrix};

}  // namespace penstock::ops
