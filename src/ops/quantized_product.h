// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/op_definition.h"

// What QuantizedConv and QuantizedMatMul share besides their sums: inputs x, w, bias?, scale and
// operands of the epilogue, and a result that is floating or quantized again, as
// docs/core-operators.md says.
namespace penstock::ops {

inline constexpr size_t kProductBias = 2;
inline constexpr size_t kProductScale = 3;
inline constexpr size_t kProductOperands = 4;  // the first operand of the epilogue

// Attributes output_dtype, y_scale and y_zero_point. A result of 8 bits is
// saturate(round_half_even(v / scale) + zero_point).
struct ProductResult {
  DataType dtype = DataType::kFloat32;
  float scale = 1.0f;
  int64_t zero_point = 0;

  bool is_quantized() const;
};
ProductResult product_result(const ir::Attributes& attributes);

// For shape rules: types of x, w, bias and scale, zero points, epilogue and result, for a result of
// shape `y` with its channels (one scale each, or one for all) along axis `channel_axis`.
Status check_product(const InferContext& context, const ir::SymbolicShape& y, size_t channel_axis);

// For reference kernels: the numbers of x or w less their zero point, exact.
std::vector<double> centered_numbers(const backends::TensorView& view, int64_t zero_point);
// Stores epilogue(sums * scale + bias), quantized where the attributes say so.
Status finish_product(const backends::NodeFacts& node, backends::KernelRun& run, const Shape& shape,
                      size_t channel_axis, std::vector<double>& sums);

}  // namespace penstock::ops
