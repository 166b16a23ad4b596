// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of products of 8-bit integers: convolutions with channels last, and matrix products as
// convolutions of single pixels.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

#include "ops/convolution/device_window.h"
#include "ops/epilogue.h"

namespace penstock::ops {

constexpr int kMaxProductSteps = 4;

// A step of the epilogue; a, b and c as EpilogueStep has them.
struct ProductStep {
  EpilogueStep::Kind kind = EpilogueStep::Kind::kRelu;
  DataType type = DataType::kUndefined;  // of the operand
  const void* operand = nullptr;         // of the result's shape and layout
  float a = 0;
  float b = 0;
  float c = 0;
};

// y = epilogue(scale * sum((x - x_zero) * w) + bias), quantized where y is of 8 bits.
struct ProductArguments : DeviceWindow {
  const void* x = nullptr;  // int8 or uint8: [batch, in_height, in_width, channels]
  bool x_unsigned = false;
  int x_zero = 0;
  // int8: [outputs, row_bytes], a row being [kernel_height, kernel_width, padded channels] and
  // zeros behind.
  const void* w = nullptr;
  int row_bytes = 0;        // a multiple of kProductRow
  int padded_channels = 0;  // a multiple of 16
  // [3, outputs]: scales; biases; and, as int32, the sum of the output's weights times x_zero, less
  // 128 where x is unsigned.
  const float* terms = nullptr;
  void* y = nullptr;  // [batch, out_height, out_width, outputs]
  DataType y_type = DataType::kFloat32;
  float y_scale = 1;
  int y_zero = 0;
  int64_t batch = 0;
  int channels = 0;
  int group_channels = 0;  // channels / groups
  int groups = 1;
  int outputs = 0;
  int in_height = 1;
  int in_width = 1;
  int out_height = 1;
  int out_width = 1;
  int steps = 0;
  ProductStep step[kMaxProductSteps];
};

// Bytes of a row of weights come in multiples of this.
constexpr int kProductRow = 64;

// Of tensor cores: rows and columns of the result that a block computes.
struct ProductTile {
  int rows = 128;
  int columns = 128;
};
constexpr ProductTile kProductTiles[] = {{128, 128}, {128, 64}, {64, 64}};

// Of one group.
void launch_product(const ProductArguments& arguments, ProductTile tile, cudaStream_t stream);
void launch_product_in_groups(const ProductArguments& arguments, cudaStream_t stream);

}  // namespace penstock::ops
