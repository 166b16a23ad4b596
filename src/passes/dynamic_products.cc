// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// The sums of each column of w [k, n].
std::vector<double> column_sums(const ir::Constant& w) {
  const std::vector<int64_t> elements = ir::to_int64s(w);
  const auto columns = static_cast<size_t>(w.shape[1]);
  std::vector<double> sums(columns, 0.0);
  for (size_t i = 0; i < elements.size(); ++i) {
    sums[i % columns] += static_cast<double>(elements[i]);
  }
  return sums;
}

// Constant weights as int8 with a zero point of 0, where they fit.
ir::ConstantRef weights_of(const ir::Node& product) {
  const ir::Value* w = product.inputs[1];
  if (!w->is_constant() || w->shape.size() != 2) return nullptr;
  std::vector<int64_t> zeros = {0};
  if (const ir::Value* zero_point = product.input(3)) {
    if (!zero_point->is_constant()) return nullptr;
    zeros = ir::to_int64s(*zero_point->constant);
  }
  const auto columns = static_cast<size_t>(w->constant->shape[1]);
  if (zeros.size() != 1 && zeros.size() != columns) return nullptr;
  std::vector<int64_t> elements = ir::to_int64s(*w->constant);
  for (size_t i = 0; i < elements.size(); ++i) {
    elements[i] -= zeros[zeros.size() == 1 ? 0 : i % columns];
    if (elements[i] < -128 || elements[i] > 127) return nullptr;
  }
  return ir::constant_of(DataType::kInt8, w->constant->shape, elements);
}

bool is_vector_of(const ir::Value* value, int64_t count) {
  return value->shape.size() <= 1 && (ir::element_count(value->shape).is_constant(1) ||
                                      ir::element_count(value->shape).is_constant(count));
}

// What the zero point of the run takes away from every column: -scale * zero_point * its sum.
ir::Value* offset(Rewriter& rewriter, ir::Node& where, ir::Value* scale, ir::Value* zero_point,
                  const ir::Constant& weights) {
  std::vector<double> sums = column_sums(weights);
  for (double& sum : sums) sum = -sum;
  ir::Value* constant = rewriter.graph().add_constant(
      where.name + ".sums",
      ir::constant_of(DataType::kFloat32, {static_cast<int64_t>(sums.size())}, sums));
  ir::Attributes attributes;
  attributes.set("program", std::string("mul(i0,i1);mul(t0,i2)"));
  return rewriter.emit(where, where, "Pointwise", {constant, zero_point, scale},
                       std::move(attributes));
}

// Mul(Cast(MatMulInteger(x, w, zero_point?, ...)), scale)
void quantize_product(Rewriter& rewriter, ir::Node& mul) {
  for (size_t i : {0, 1}) {
    ir::Node* cast = producer(mul.inputs[i], "Cast");
    ir::Value* scale = mul.inputs[1 - i];
    if (cast == nullptr || !rewriter.has_single_use(cast->outputs[0]) ||
        scale->dtype != DataType::kFloat32 || mul.outputs[0]->dtype != DataType::kFloat32) {
      continue;
    }
    ir::Node* product = producer(cast->inputs[0], "MatMulInteger");
    if (product == nullptr || !rewriter.has_single_use(product->outputs[0])) continue;
    const ir::ConstantRef weights = weights_of(*product);
    ir::Value* zero_point = product->input(2);
    if (weights == nullptr || !is_vector_of(scale, weights->shape[1]) ||
        product->inputs[0]->shape.size() < 2 ||
        (zero_point != nullptr && !is_vector_of(zero_point, 1))) {
      continue;
    }
    ir::Value* bias = nullptr;
    if (zero_point != nullptr) {
      bias = offset(rewriter, mul, scale, zero_point, *weights);
      if (bias == nullptr) return;
    }
    ir::Node quantized;
    quantized.op = "QuantizedMatMul";
    quantized.name = mul.name;
    quantized.inputs = {product->inputs[0],
                        rewriter.graph().add_constant(product->inputs[1]->name, weights), bias,
                        scale};
    rewriter.replace_node(mul, std::move(quantized), {cast, product});
    return;
  }
}

}  // namespace

// Products of what a run quantizes by its own range: MatMulInteger, scaled afterwards. The zero
// point that the run finds becomes a bias.
Status dynamic_products(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op == "Mul") quantize_product(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
