// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/op_definition.h"

namespace penstock::ops {

// A MatMul's concrete extents. A 1-D `a` is a row, a 1-D `b` a column; their axis of one element
// does not appear in `result`.
struct MatMulGeometry {
  int64_t m = 1;
  int64_t n = 1;
  int64_t k = 1;
  Shape batch;  // axes before the last two, broadcast
  // Elements from one index to the next. Broadcast batch axes have stride 0.
  std::vector<int64_t> a_batch_strides, b_batch_strides;
  int64_t a_row = 0, a_column = 0;  // of a[m, k]
  int64_t b_row = 0, b_column = 0;  // of b[k, n]
  bool trans_a = false;             // as stored: a is [k, m]
  bool trans_b = false;
  float alpha = 1.0f;
  Shape result;
};

// The symbolic shape of the product of inputs 0 and 1, as numpy.matmul takes them; the attributes
// trans_a and trans_b swap the last two axes.
Result<ir::SymbolicShape> product_shape(const InferContext& context);

Result<MatMulGeometry> matmul_geometry(const ir::Attributes& attributes, const Shape& a,
                                       const Shape& b);

}  // namespace penstock::ops
