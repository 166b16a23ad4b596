// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

// How a kernel of taps slides over the spatial axes of [N, C, spatial...]: what convolutions and
// poolings share. ONNX's attributes kernel_shape, strides, pads, dilations, auto_pad, ceil_mode.
struct Window {
  enum class AutoPad : uint8_t { kNotSet, kSameUpper, kSameLower, kValid };

  Shape kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads_begin;  // zero for kSame* until resolve_pads
  std::vector<int64_t> pads_end;
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;

  size_t rank() const { return kernel.size(); }
  // Elements that the dilated kernel spans.
  int64_t span(size_t axis) const { return dilations[axis] * (kernel[axis] - 1) + 1; }
  // Outputs along an axis of `input` elements.
  ir::Dim output_extent(size_t axis, const ir::Dim& input) const;
  bool is_same() const {
    return auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower;
  }
};

// The window of a node; errors name the attribute.
Result<Window> parse_window(const ir::Attributes& attributes, Shape kernel);
// Same for actual spatial extents: SAME paddings are turned into numbers.
Result<Window> resolve_window(const ir::Attributes& attributes, Shape kernel, const Shape& spatial);
// Spatial extents of the result; an error where the padded input is smaller than the kernel.
Result<ir::SymbolicShape> output_extents(const Window& window, const ir::SymbolicShape& spatial);
Result<Shape> output_extents(const Window& window, const Shape& spatial);

// A pair of places that meet: an element of the kernel and one of the input, both as row-major
// offsets within their spatial axes.
struct Tap {
  int64_t kernel = 0;
  int64_t input = 0;
};

// Taps of the output at `position` that fall inside the input.
void taps_at(const Window& window, const Shape& spatial, const std::vector<int64_t>& position,
             std::vector<Tap>& taps);
// Taps of a transposed convolution: the inputs that reach the output at `position`.
void transposed_taps_at(const Window& window, const Shape& spatial,
                        const std::vector<int64_t>& position, std::vector<Tap>& taps);

// The spatial part of [N, C, spatial...].
template <typename Extents>
Extents spatial_of(const Extents& shape) {
  return Extents(shape.begin() + 2, shape.end());
}

}  // namespace penstock::ops
