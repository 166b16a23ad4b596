// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/geometry.h"

#include "ops/reference_util.h"

namespace penstock::ops {

Result<MatMulGeometry> matmul_geometry(const ir::Attributes& attributes, const Shape& a,
                                       const Shape& b) {
  if (a.empty() || b.empty()) {
    return Status(StatusCode::kInvalidArgument, "a matrix product of a scalar");
  }
  MatMulGeometry g;
  g.trans_a = attributes.get_int("trans_a") != 0 && a.size() > 1;
  g.trans_b = attributes.get_int("trans_b") != 0 && b.size() > 1;
  g.alpha = attributes.get_float("alpha", 1.0f);
  const int64_t a_rows = a.size() > 1 ? a[a.size() - 2] : 1;
  const int64_t b_rows = b.size() > 1 ? b[b.size() - 2] : b[0];
  const int64_t b_columns = b.size() > 1 ? b.back() : 1;
  g.m = g.trans_a ? a.back() : a_rows;
  g.k = g.trans_a ? a_rows : a.back();
  g.n = g.trans_b ? b_rows : b_columns;
  if (g.k != (g.trans_b ? b_columns : b_rows)) {
    return Status(StatusCode::kInvalidArgument,
                  "inner extents of " + to_string(a) + " and " + to_string(b) + " differ");
  }
  g.a_row = g.trans_a ? 1 : a.back();
  g.a_column = g.trans_a ? a.back() : 1;
  g.b_row = g.trans_b ? 1 : b_columns;
  g.b_column = g.trans_b ? b_columns : 1;

  const Shape a_batch(a.begin(), a.end() - std::min<size_t>(2, a.size()));
  const Shape b_batch(b.begin(), b.end() - std::min<size_t>(2, b.size()));
  PENSTOCK_ASSIGN_OR_RETURN(g.batch, broadcast_shapes(a_batch, b_batch));
  g.a_batch_strides = broadcast_strides(a_batch, g.batch);
  g.b_batch_strides = broadcast_strides(b_batch, g.batch);
  for (int64_t& stride : g.a_batch_strides) stride *= g.m * g.k;
  for (int64_t& stride : g.b_batch_strides) stride *= g.k * g.n;
  g.result = g.batch;
  if (a.size() > 1) g.result.push_back(g.m);
  if (b.size() > 1) g.result.push_back(g.n);
  return g;
}

}  // namespace penstock::ops
