// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/epilogue.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// x [N, C, spatial...] -> [N, C, windows...], for every output that is wanted.
Status infer_pool(InferContext& context) {
  const ir::SymbolicShape& x = context.shape(0);
  Shape kernel = context.attributes().get_ints("kernel_shape");
  if (kernel.empty()) return context.error("kernel_shape is missing");
  if (x.size() < 3) {
    return context.error("x of shape " + ir::to_string(x) + " is not [N, C, spatial...]");
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            parse_window(context.attributes(), std::move(kernel)));
  PENSTOCK_ASSIGN_OR_RETURN(const ir::SymbolicShape spatial, output_extents(window, spatial_of(x)));
  ir::SymbolicShape y = {x[0], x[1]};
  y.insert(y.end(), spatial.begin(), spatial.end());
  context.set_output(0, context.dtype(0), y);
  if (context.has_output(1)) context.set_output(1, DataType::kInt64, y);
  return Status::ok();
}

// Calls fn(window, position, taps, plane offset of x, element of y) for each element of the result.
template <typename Fn>
Status for_each_window(const NodeFacts& node, const Shape& x_shape, Shape& y_shape, Fn&& fn) {
  const Shape spatial = spatial_of(x_shape);
  PENSTOCK_ASSIGN_OR_RETURN(
      const Window window,
      resolve_window(node.attributes, node.attributes.get_ints("kernel_shape"), spatial));
  PENSTOCK_ASSIGN_OR_RETURN(const Shape y_spatial, output_extents(window, spatial));
  y_shape = {x_shape[0], x_shape[1]};
  y_shape.insert(y_shape.end(), y_spatial.begin(), y_spatial.end());
  const int64_t planes = x_shape[0] * x_shape[1];
  const int64_t x_area = element_count(spatial);
  const int64_t y_area = element_count(y_spatial);
  std::vector<Tap> taps;
  int64_t at = 0;
  for_each_index(y_spatial, [&](const std::vector<int64_t>& position) {
    taps_at(window, spatial, position, taps);
    for (int64_t plane = 0; plane < planes; ++plane) {
      fn(window, position, taps, plane * x_area, plane * y_area + at);
    }
    ++at;
  });
  return Status::ok();
}

// Offset of a spatial element when the first spatial axis runs fastest.
int64_t column_major(int64_t offset, const Shape& spatial) {
  const std::vector<int64_t> strides = strides_of(spatial);
  int64_t result = 0;
  int64_t scale = 1;
  for (size_t i = 0; i < spatial.size(); ++i) {
    result += offset / strides[i] % spatial[i] * scale;
    scale *= spatial[i];
  }
  return result;
}

template <typename T>
bool is_greater(T a, T b) {
  return static_cast<Compute<T>>(a) > static_cast<Compute<T>>(b);
}

Status run_max_pool(const NodeFacts& node, KernelRun& run) {
  const Shape& x_shape = *run.input(0).shape;
  const Shape spatial = spatial_of(x_shape);
  const bool is_column_major = node.attributes.get_int("storage_order") != 0;
  Shape y_shape;
  std::vector<std::pair<int64_t, int64_t>> best;  // element of y, element of x or -1
  return dispatch(run.input(0).dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    const T* x = run.input(0).as<const T>();
    const auto pick = [&](const Window&, const std::vector<int64_t>&, const std::vector<Tap>& taps,
                          int64_t plane, int64_t element) {
      int64_t winner = -1;
      for (const Tap& tap : taps) {
        const int64_t candidate = plane + tap.input;
        if (winner < 0 || is_greater(x[candidate], x[winner])) winner = candidate;
      }
      best.emplace_back(element, winner);
    };
    PENSTOCK_RETURN_IF_ERROR(for_each_window(node, x_shape, y_shape, pick));
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, y_shape));
    const double lowest = std::is_floating_point_v<Compute<T>>
                              ? -std::numeric_limits<double>::infinity()
                              : static_cast<double>(std::numeric_limits<Compute<T>>::lowest());
    for (const auto& [element, winner] : best) {
      y.as<T>()[element] = winner < 0 ? static_cast<T>(static_cast<Compute<T>>(lowest)) : x[winner];
    }
    if (!run.has_output(1)) return Status::ok();
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView indices, run.output(1, y_shape));
    const int64_t area = element_count(spatial);
    for (const auto& [element, winner] : best) {
      int64_t index = winner;
      if (is_column_major && winner >= 0) {
        index = winner / area * area + column_major(winner % area, spatial);
      }
      indices.as<int64_t>()[element] = index;
    }
    return Status::ok();
  });
}

// Taps of the window that lie in the input or in its explicit padding: what count_include_pad
// divides by. What ceil_mode adds beyond the padding does not count.
int64_t padded_taps(const Window& window, const Shape& spatial,
                    const std::vector<int64_t>& position) {
  int64_t count = 1;
  for (size_t i = 0; i < spatial.size(); ++i) {
    int64_t inside = 0;
    for (int64_t tap = 0; tap < window.kernel[i]; ++tap) {
      const int64_t at = position[i] * window.strides[i] + tap * window.dilations[i];
      inside += at < window.pads_begin[i] + spatial[i] + window.pads_end[i];
    }
    count *= inside;
  }
  return count;
}

// Pools sums of doubles: reduce(window, position, taps, plane, x) gives an element.
template <typename Reduce>
Status pool_doubles(const NodeFacts& node, KernelRun& run, Reduce&& reduce) {
  const Shape& x_shape = *run.input(0).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> x, read_doubles(run.input(0)));
  Shape y_shape;
  std::vector<std::pair<int64_t, double>> results;
  PENSTOCK_RETURN_IF_ERROR(for_each_window(
      node, x_shape, y_shape,
      [&](const Window& window, const std::vector<int64_t>& position, const std::vector<Tap>& taps,
          int64_t plane, int64_t element) {
        results.emplace_back(element, reduce(window, position, taps, x.data() + plane));
      }));
  std::vector<double> y(results.size());
  for (const auto& [element, value] : results) y[element] = value;
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView output, run.output(0, y_shape));
  return write_doubles(y, output);
}

Status run_average_pool(const NodeFacts& node, KernelRun& run) {
  const bool with_padding = node.attributes.get_int("count_include_pad") != 0;
  const Shape spatial = spatial_of(*run.input(0).shape);
  return pool_doubles(node, run,
                      [&](const Window& window, const std::vector<int64_t>& position,
                          const std::vector<Tap>& taps, const double* plane) {
                        double sum = 0;
                        for (const Tap& tap : taps) sum += plane[tap.input];
                        const int64_t count = with_padding ? padded_taps(window, spatial, position)
                                                           : static_cast<int64_t>(taps.size());
                        return count == 0 ? 0.0 : sum / static_cast<double>(count);
                      });
}

// The p-norm of each window; padding counts as zeros.
Status run_lp_pool(const NodeFacts& node, KernelRun& run) {
  const auto p = static_cast<double>(node.attributes.get_int("p", 2));
  return pool_doubles(node, run,
                      [&](const Window&, const std::vector<int64_t>&, const std::vector<Tap>& taps,
                          const double* plane) {
                        double sum = 0;
                        for (const Tap& tap : taps) sum += std::pow(std::fabs(plane[tap.input]), p);
                        return std::pow(sum, 1.0 / p);
                      });
}

}  // namespace

const OpDefinition kMaxPool = {.name = "MaxPool",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .outputs = 2,
                               .infer = infer_pool,
                               .reference = run_max_pool};
const OpDefinition kAveragePool = {.name = "AveragePool",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_pool,
                                   .reference = run_average_pool};
const OpDefinition kLpPool = {.name = "LpPool",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .infer = infer_pool,
                              .reference = run_lp_pool};

}  // namespace penstock::ops
