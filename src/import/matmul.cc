// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/einsum.h"
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// alpha * a x b + beta * c
Status import_gemm(NodeImporter& node) {
  const ir::Attributes& gemm = node.attributes();
  for (const size_t i : {0, 1}) {
    if (node.input(i)->shape.size() != 2) {
      return node.invalid("input " + std::to_string(i) + " has shape " +
                          ir::to_string(node.input(i)->shape) + ", but must be a matrix");
    }
  }
  const float beta = gemm.get_float("beta", 1.0f);
  std::vector<ir::Value*> inputs = {node.input(0), node.input(1)};
  if (ir::Value* bias = node.input(2); bias != nullptr && beta != 0.0f) {
    if (beta != 1.0f) {
      if (!is_floating(bias->dtype)) return node.unsupported("beta with integers");
      PENSTOCK_ASSIGN_OR_RETURN(bias,
                                node.emit("Mul", {bias, node.float_constant(beta, bias->dtype)}));
    }
    inputs.push_back(bias);
  }
  ir::Attributes attributes;
  if (gemm.get_int("transA") != 0) attributes.set("trans_a", int64_t{1});
  if (gemm.get_int("transB") != 0) attributes.set("trans_b", int64_t{1});
  if (gemm.get_float("alpha", 1.0f) != 1.0f) attributes.set("alpha", gemm.get_float("alpha"));
  return node.emit_result("MatMul", std::move(inputs), std::move(attributes));
}

constexpr Rule kRules[] = {
    {"Det", 11, {1, 1}},
    {"Einsum",
     12,
     {1, Arity::kAny},
     1,
     "equation:s",
     import_einsum,
     "MatMul Mul ReduceSum Transpose Reshape Slice"},
    {"Gemm",
     1,
     {3, 3},
     1,
     "alpha:f beta:f ~broadcast:i transA:i transB:i",
     import_gemm,
     "MatMul Mul"},
    {"Gemm", 7, {2, 3}, 1, "alpha:f beta:f transA:i transB:i", import_gemm, "MatMul Mul"},
    {"MatMul", 1, {2, 2}},
    {"MatMulInteger", 10, {2, 4}},
};

}  // namespace

RuleList matmul_rules() { return kRules; }

}  // namespace penstock::importer
