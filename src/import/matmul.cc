// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include "import/einsum.h"
#include "import/emitter.h"
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
      const bool is_whole = beta == std::floor(beta) && std::fabs(beta) < 1e9f;
      if (!is_floating(bias->dtype) && !is_whole) {
        return node.unsupported("beta = " + std::to_string(beta) + " with integers");
      }
      Emitter emit(node);
      ir::Value* factor = emit.scalar(beta, bias->dtype);
      bias = emit("Mul", {bias, emit.cast(factor, bias->dtype)});
      PENSTOCK_RETURN_IF_ERROR(emit.status());
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
