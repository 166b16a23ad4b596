// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/convolution/window.h"

namespace penstock::ops {

// Paddings as numbers, and the spatial extents of the result.
struct TransposedWindow {
  Window window;
  Shape output;
};

// Geometry of a ConvTranspose: output_shape and SAME become paddings as ONNX says.
Result<TransposedWindow> transposed_window(const ir::Attributes& attributes, Shape kernel,
                                           const Shape& spatial);

}  // namespace penstock::ops
