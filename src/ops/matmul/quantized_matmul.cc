// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/geometry.h"
#include "ops/matmul/operators.h"
#include "ops/quantized_product.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// x [batch..., m, k], w [batch..., k, n] as MatMul takes its factors, scale [] or [n]:
// epilogue(scale * ((x - x_zero_point) x (w - w_zero_point)) + bias).
Status infer_quantized_matmul(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape y, product_shape(context));
  PENSTOCK_RETURN_IF_ERROR(check_product(context, y, y.empty() ? 0 : y.size() - 1));
  context.set_output(0, product_result(context.attributes()).dtype, std::move(y));
  return Status::ok();
}

std::vector<double> multiply(const MatMulGeometry& g, const std::vector<double>& x,
                             const std::vector<double>& w) {
  std::vector<double> sums;
  sums.reserve(element_count(g.batch) * g.m * g.n);
  for_each_index(g.batch, [&](const std::vector<int64_t>& index) {
    const double* x_matrix = x.data() + dot(index, g.a_batch_strides);
    const double* w_matrix = w.data() + dot(index, g.b_batch_strides);
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        double sum = 0.0;
        for (int64_t p = 0; p < g.k; ++p) {
          sum += x_matrix[i * g.a_row + p * g.a_column] * w_matrix[p * g.b_row + j * g.b_column];
        }
        sums.push_back(sum);
      }
    }
  });
  return sums;
}

Status run_quantized_matmul(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const MatMulGeometry g,
      matmul_geometry(node.attributes, *run.input(0).shape, *run.input(1).shape));
  std::vector<double> sums =
      multiply(g, centered_numbers(run.input(0), node.attributes.get_int("x_zero_point")),
               centered_numbers(run.input(1), node.attributes.get_int("w_zero_point")));
  return finish_product(node, run, g.result, g.result.empty() ? 0 : g.result.size() - 1, sums);
}

}  // namespace

const OpDefinition kQuantizedMatMul = {.name = "QuantizedMatMul",
                                       .min_inputs = 2,  // and the scale, behind an optional one
                                       .max_inputs = -1,
                                       .infer = infer_quantized_matmul,
                                       .reference = run_quantized_matmul};

}  // namespace penstock::ops
