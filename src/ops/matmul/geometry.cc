// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/geometry.h"

#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using ir::Dim;

// Where both are known and neither repeats, they must agree.
Result<Dim> broadcast_extent(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant() && !a.is_constant(1) && !b.is_constant(1) && !(a == b)) {
    return Status(StatusCode::kInvalidModel,
                  "batch extents " + a.to_string() + " and " + b.to_string() + " do not broadcast");
  }
  return Dim::broadcast(a, b);
}

}  // namespace

Result<ir::SymbolicShape> product_shape(const InferContext& context) {
  const ir::SymbolicShape& a = context.shape(0);
  const ir::SymbolicShape& b = context.shape(1);
  if (a.empty() || b.empty()) return context.error("a matrix product of a scalar");
  const bool trans_a = context.attributes().get_int("trans_a") != 0 && a.size() > 1;
  const bool trans_b = context.attributes().get_int("trans_b") != 0 && b.size() > 1;
  const Dim& a_inner = trans_a ? a[a.size() - 2] : a.back();
  const Dim& b_inner = b.size() == 1 || trans_b ? b.back() : b[b.size() - 2];
  if (a_inner.is_constant() && b_inner.is_constant() && !(a_inner == b_inner)) {
    return context.error("inner extents of " + ir::to_string(a) + " and " + ir::to_string(b) +
                         " differ");
  }
  const size_t a_batch = a.size() - std::min<size_t>(2, a.size());
  const size_t b_batch = b.size() - std::min<size_t>(2, b.size());
  ir::SymbolicShape y(std::max(a_batch, b_batch));
  for (size_t i = 0; i < y.size(); ++i) {
    const Dim from_a = i < a_batch ? a[a_batch - 1 - i] : Dim(1);
    const Dim from_b = i < b_batch ? b[b_batch - 1 - i] : Dim(1);
    PENSTOCK_ASSIGN_OR_RETURN(y[y.size() - 1 - i], broadcast_extent(from_a, from_b));
  }
  if (a.size() > 1) y.push_back(trans_a ? a.back() : a[a.size() - 2]);
  if (b.size() > 1) y.push_back(trans_b ? b[b.size() - 2] : b.back());
  return y;
}

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
