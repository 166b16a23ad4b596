// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/window.h"

#include <algorithm>

#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using ir::Dim;
using AutoPad = Window::AutoPad;

Status invalid(const std::string& message) { return {StatusCode::kInvalidModel, message}; }

Result<AutoPad> parse_auto_pad(const std::string& text) {
  if (text.empty() || text == "NOTSET") return AutoPad::kNotSet;
  if (text == "SAME_UPPER") return AutoPad::kSameUpper;
  if (text == "SAME_LOWER") return AutoPad::kSameLower;
  if (text == "VALID") return AutoPad::kValid;
  return invalid("auto_pad '" + text + "' is not one of NOTSET, SAME_UPPER, SAME_LOWER, VALID");
}

// Far from overflow in what is computed from them.
constexpr int64_t kMostEntry = (int64_t{1} << 31) - 1;

// A list attribute of `count` numbers, each at least `least`; `otherwise` each where absent.
Result<std::vector<int64_t>> ints(const ir::Attributes& attributes, std::string_view name,
                                  size_t count, int64_t otherwise, int64_t least) {
  std::vector<int64_t> values = attributes.get_ints(name);
  if (values.empty()) values.assign(count, otherwise);
  if (values.size() != count) {
    return invalid(std::string(name) + " has " + std::to_string(values.size()) + " numbers, not " +
                   std::to_string(count));
  }
  for (int64_t value : values) {
    if (value < least || value > kMostEntry) {
      return invalid(std::string(name) + " holds " + std::to_string(value) + ", outside of " +
                     std::to_string(least) + " to " + std::to_string(kMostEntry));
    }
  }
  return values;
}

// Paddings that make the result ceil(input / stride) long.
void resolve_pads(Window& window, const Shape& spatial) {
  if (!window.is_same()) return;
  for (size_t i = 0; i < window.rank(); ++i) {
    const int64_t stride = window.strides[i];
    const int64_t outputs = (spatial[i] + stride - 1) / stride;
    const int64_t total =
        std::max<int64_t>(0, (outputs - 1) * stride + window.span(i) - spatial[i]);
    const int64_t smaller = total / 2;
    const bool upper = window.auto_pad == AutoPad::kSameUpper;
    window.pads_begin[i] = upper ? smaller : total - smaller;
    window.pads_end[i] = total - window.pads_begin[i];
  }
}

// Walks the kernel; `locate` gives the input coordinate of a tap along an axis, or -1.
template <typename Locate>
void collect_taps(const Window& window, const Shape& spatial, std::vector<Tap>& taps,
                  Locate&& locate) {
  taps.clear();
  int64_t kernel_offset = 0;
  for_each_index(window.kernel, [&](const std::vector<int64_t>& tap) {
    int64_t offset = 0;
    bool inside = true;
    for (size_t i = 0; i < tap.size() && inside; ++i) {
      const int64_t at = locate(i, tap[i]);
      inside = at >= 0 && at < spatial[i];
      offset = offset * spatial[i] + at;
    }
    if (inside) taps.push_back({kernel_offset, offset});
    ++kernel_offset;
  });
}

}  // namespace

// With ceil_mode, a last window that would start in the end padding is dropped (ONNX, MaxPool-22).
Dim Window::output_extent(size_t axis, const Dim& input) const {
  if (is_same()) return Dim::ceil_div(input, strides[axis]);
  const Dim padded = input + Dim(pads_begin[axis] + pads_end[axis]);
  const Dim room = padded - Dim(span(axis));
  if (!ceil_mode || strides[axis] == 1) return Dim::floor_div(room, strides[axis]) + Dim(1);
  return Dim::min(Dim::ceil_div(room, strides[axis]) + Dim(1),
                  Dim::ceil_div(input + Dim(pads_begin[axis]), strides[axis]));
}

Result<Window> parse_window(const ir::Attributes& attributes, Shape kernel) {
  Window window;
  const size_t rank = kernel.size();
  if (attributes.has("kernel_shape") && attributes.get_ints("kernel_shape") != kernel) {
    return invalid("kernel_shape " + to_string(attributes.get_ints("kernel_shape")) +
                   " contradicts the kernel's " + to_string(kernel));
  }
  for (int64_t extent : kernel) {
    if (extent < 1 || extent > kMostEntry) {
      return invalid("kernel of shape " + to_string(kernel) + " is empty, or too large");
    }
  }
  window.kernel = std::move(kernel);
  PENSTOCK_ASSIGN_OR_RETURN(window.strides, ints(attributes, "strides", rank, 1, 1));
  PENSTOCK_ASSIGN_OR_RETURN(window.dilations, ints(attributes, "dilations", rank, 1, 1));
  PENSTOCK_ASSIGN_OR_RETURN(window.auto_pad, parse_auto_pad(attributes.get_string("auto_pad")));
  window.ceil_mode = attributes.get_int("ceil_mode") != 0;
  std::vector<int64_t> pads(2 * rank, 0);
  if (window.auto_pad == AutoPad::kNotSet) {
    PENSTOCK_ASSIGN_OR_RETURN(pads, ints(attributes, "pads", 2 * rank, 0, 0));
  }
  window.pads_begin.assign(pads.begin(), pads.begin() + rank);
  window.pads_end.assign(pads.begin() + rank, pads.end());
  return window;
}

Result<Window> resolve_window(const ir::Attributes& attributes, Shape kernel,
                              const Shape& spatial) {
  PENSTOCK_ASSIGN_OR_RETURN(Window window, parse_window(attributes, std::move(kernel)));
  if (window.rank() != spatial.size()) {
    return invalid("a kernel of " + std::to_string(window.rank()) + " axes over " +
                   std::to_string(spatial.size()) + " spatial axes");
  }
  resolve_pads(window, spatial);
  return window;
}

Result<ir::SymbolicShape> output_extents(const Window& window, const ir::SymbolicShape& spatial) {
  if (window.rank() != spatial.size()) {
    return invalid("a kernel of " + std::to_string(window.rank()) + " axes over " +
                   std::to_string(spatial.size()) + " spatial axes");
  }
  ir::SymbolicShape extents;
  for (size_t i = 0; i < spatial.size(); ++i) {
    extents.push_back(window.output_extent(i, spatial[i]));
    if (extents[i].is_constant() && extents[i].constant() < (spatial[i].is_constant(0) ? 0 : 1)) {
      return invalid("kernel " + to_string(window.kernel) + " with its padding is larger than " +
                     "the input's " + ir::to_string(spatial));
    }
  }
  return extents;
}

Result<Shape> output_extents(const Window& window, const Shape& spatial) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const ir::SymbolicShape extents,
      output_extents(window, ir::SymbolicShape(spatial.begin(), spatial.end())));
  Shape shape;
  for (const Dim& extent : extents) shape.push_back(extent.constant());
  return shape;
}

void taps_at(const Window& window, const Shape& spatial, const std::vector<int64_t>& position,
             std::vector<Tap>& taps) {
  collect_taps(window, spatial, taps, [&](size_t axis, int64_t tap) {
    return position[axis] * window.strides[axis] - window.pads_begin[axis] +
           tap * window.dilations[axis];
  });
}

void transposed_taps_at(const Window& window, const Shape& spatial,
                        const std::vector<int64_t>& position, std::vector<Tap>& taps) {
  collect_taps(window, spatial, taps, [&](size_t axis, int64_t tap) -> int64_t {
    const int64_t at = position[axis] + window.pads_begin[axis] - tap * window.dilations[axis];
    return at >= 0 && at % window.strides[axis] == 0 ? at / window.strides[axis] : -1;
  });
}

}  // namespace penstock::ops
