// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/flat_matmul.h"

#include <algorithm>

namespace penstock::ops {
namespace {

// An operand's shape in the rank of the full result [batch..., m, n].
Shape to_full_rank(const Shape& operand, const FlatMatMul& flat) {
  Shape shape = operand;
  const size_t result_rank = flat.full_result.size() - flat.a_is_vector - flat.b_is_vector;
  shape.insert(shape.begin(), result_rank - std::min(result_rank, shape.size()), 1);
  if (flat.b_is_vector) shape.push_back(1);
  if (flat.a_is_vector) shape.insert(shape.end() - 1, 1);
  return shape;
}

// All axes before the last repeat, or none does.
bool can_fold(const Shape& shape, const Shape& full) {
  const auto rows_end = shape.end() - 1;
  return std::all_of(shape.begin(), rows_end, [](int64_t extent) { return extent == 1; }) ||
         std::equal(shape.begin(), rows_end, full.begin());
}

void fold(FlatMatMul& flat) {
  flat.m *= element_count(flat.batch);
  flat.batch.clear();
  flat.a_batch_strides.clear();
  flat.b_batch_strides.clear();
  flat.result = {flat.m, flat.n};
}

FlatMatMul::Matrices matrices(const Shape& batch, const std::vector<int64_t>& batch_strides,
                              const Shape& matrix, const std::vector<int64_t>& matrix_strides) {
  FlatMatMul::Matrices result;
  for (size_t i = 0; i < batch.size(); ++i) {
    const bool repeats = batch_strides[i] == 0;
    result.shape.push_back(repeats ? 1 : batch[i]);
    result.strides.push_back(repeats ? element_count(matrix) : batch_strides[i]);
  }
  result.shape.insert(result.shape.end(), matrix.begin(), matrix.end());
  result.strides.insert(result.strides.end(), matrix_strides.begin(), matrix_strides.end());
  return result;
}

}  // namespace

Result<Shape> FlatMatMul::operand_shape(const Shape& operand) const {
  const Shape shape = to_full_rank(operand, *this);
  if (shape.size() != full_result.size()) {
    return Status(StatusCode::kUnsupported,
                  "operand of shape " + to_string(operand) + " has more axes than the result");
  }
  if (result.size() == full_result.size()) return shape;
  const bool repeats =
      std::all_of(shape.begin(), shape.end() - 1, [](int64_t extent) { return extent == 1; });
  return Shape{repeats ? 1 : m, shape.back()};
}

FlatMatMul::Matrices FlatMatMul::a_matrices() const {
  return matrices(batch, a_batch_strides, {m, k}, {a_row, a_column});
}

FlatMatMul::Matrices FlatMatMul::b_matrices() const {
  return matrices(batch, b_batch_strides, {k, n}, {b_row, b_column});
}

Status FlatMatMul::check_primitive() const {
  if (batch.size() > 4) return {StatusCode::kUnsupported, "takes four batch axes"};
  if (element_count(batch) * m * n * k == 0) return {StatusCode::kUnsupported, "an empty product"};
  return Status::ok();
}

bool FlatMatMul::has_constant_weights(const backends::NodeFacts& node) const {
  return node.inputs[1].data != nullptr && batch.empty() && !trans_a;
}

Result<FlatMatMul> flatten_matmul(const backends::NodeFacts& node) {
  const Shape& a = node.inputs[0].shape;
  const Shape& b = node.inputs[1].shape;
  PENSTOCK_ASSIGN_OR_RETURN(const MatMulGeometry g, matmul_geometry(node.attributes, a, b));
  FlatMatMul flat;
  flat.m = g.m;
  flat.n = g.n;
  flat.k = g.k;
  flat.batch = g.batch;
  flat.a_batch_strides = g.a_batch_strides;
  flat.b_batch_strides = g.b_batch_strides;
  flat.a_row = g.a_row;
  flat.a_column = g.a_column;
  flat.b_row = g.b_row;
  flat.b_column = g.b_column;
  flat.trans_a = g.trans_a;
  flat.trans_b = g.trans_b;
  flat.alpha = g.alpha;
  flat.a_is_vector = a.size() == 1;
  flat.b_is_vector = b.size() == 1;
  flat.full_result = g.batch;
  flat.full_result.insert(flat.full_result.end(), {g.m, g.n});
  flat.result = flat.full_result;

  const auto is_zero = [](int64_t stride) { return stride == 0; };
  bool can = !g.batch.empty() && !g.trans_a &&
             std::all_of(g.b_batch_strides.begin(), g.b_batch_strides.end(), is_zero) &&
             element_count(a) == element_count(g.batch) * g.m * g.k;
  for (size_t i = 2; i < node.inputs.size() && can; ++i) {
    if (!node.inputs[i].present) continue;
    const Shape shape = to_full_rank(node.inputs[i].shape, flat);
    can = shape.size() == flat.full_result.size() && can_fold(shape, flat.full_result);
  }
  if (can) fold(flat);
  return flat;
}

}  // namespace penstock::ops
