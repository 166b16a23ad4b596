// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/matmul/geometry.h"
#include "ops/matmul/operators.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// (a - a_zero_point) x (b - b_zero_point) in int32, which wraps around.
Status infer_matmul_integer(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_byte_operands(context));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape y, product_shape(context));
  context.set_output(0, DataType::kInt32, std::move(y));
  return Status::ok();
}

// Elements of a matrix less its zero points, which broadcast to it once they have its rank: a list
// of them has one for each row of a, or for each column of b.
Result<std::vector<int32_t>> centered(const TensorView& x, const KernelRun& run, size_t zero_point,
                                      bool by_row) {
  const std::vector<int64_t> elements = read_int64s(x);
  std::vector<int32_t> result(elements.begin(), elements.end());
  if (!run.has_input(zero_point)) return result;
  const std::vector<int64_t> zeros = read_int64s(run.input(zero_point));
  Shape shape = *run.input(zero_point).shape;
  if (by_row && shape.size() == 1 && x.shape->size() > 1) shape.push_back(1);
  const Result<Shape> both = broadcast_shapes(*x.shape, shape);
  if (!both.is_ok() || *both != *x.shape) {
    return Status(StatusCode::kInvalidArgument,
                  "zero points of shape " + to_string(*run.input(zero_point).shape) +
                      " do not fit a matrix of shape " + to_string(*x.shape));
  }
  const std::vector<int64_t> strides = broadcast_strides(shape, *x.shape);
  size_t at = 0;
  for_each_index(*x.shape, [&](const std::vector<int64_t>& index) {
    result[at++] -= static_cast<int32_t>(zeros[static_cast<size_t>(dot(index, strides))]);
  });
  return result;
}

// y += a x b, row by row of b: the innermost loop runs along y.
void multiply(const MatMulGeometry& g, const int32_t* a, const int32_t* b, uint32_t* y) {
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t p = 0; p < g.k; ++p) {
      const auto factor = static_cast<uint32_t>(a[i * g.a_row + p * g.a_column]);
      const int32_t* row = b + p * g.b_row;
      for (int64_t j = 0; j < g.n; ++j) {
        y[i * g.n + j] += factor * static_cast<uint32_t>(row[j * g.b_column]);
      }
    }
  }
}

Status run_matmul_integer(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const MatMulGeometry g,
      matmul_geometry(node.attributes, *run.input(0).shape, *run.input(1).shape));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int32_t> a, centered(run.input(0), run, 2, true));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int32_t> b, centered(run.input(1), run, 3, false));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView result, run.output(0, g.result));
  auto* y = result.as<uint32_t>();
  std::fill_n(y, result.count(), 0U);
  for_each_index(g.batch, [&](const std::vector<int64_t>& index) {
    multiply(g, a.data() + dot(index, g.a_batch_strides), b.data() + dot(index, g.b_batch_strides),
             y);
    y += g.m * g.n;
  });
  return Status::ok();
}

}  // namespace

const OpDefinition kMatMulInteger = {.name = "MatMulInteger",
                                     .min_inputs = 2,
                                     .max_inputs = 4,
                                     .infer = infer_matmul_integer,
                                     .reference = run_matmul_integer};

}  // namespace penstock::ops
