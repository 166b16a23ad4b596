// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/symbols.h"

namespace penstock::passes {
namespace {

// An integer tensor whose elements are a sum of its coordinates, each with a factor, and an offset.
struct Affine {
  std::vector<ir::Dim> factors;  // one per axis
  ir::Dim offset;

  bool is_uniform() const {
    return std::all_of(factors.begin(), factors.end(),
                       [](const ir::Dim& f) { return f.is_constant(0); });
  }
};

std::optional<ir::Dim> known_scalar(const ir::Value* value) {
  if (value == nullptr || !value->contents || value->contents->size() != 1) return std::nullopt;
  return value->contents->front();
}

std::optional<Affine> affine_of(const ir::Value* value, int depth = 0);

// Factors along other axes, where only axes of extent 1 come or go.
std::optional<Affine> reshaped(const ir::Node& node, int depth) {
  const std::optional<Affine> x = affine_of(node.inputs[0], depth);
  if (!x) return std::nullopt;
  const ir::SymbolicShape& from = node.inputs[0]->shape;
  Affine result{{}, x->offset};
  size_t i = 0;
  for (const ir::Dim& extent : node.outputs[0]->shape) {
    while (i < from.size() && from[i].is_constant(1)) ++i;
    if (extent.is_constant(1)) {
      result.factors.emplace_back(0);
    } else if (i < from.size() && from[i] == extent) {
      result.factors.push_back(x->factors[i++]);
    } else {
      return std::nullopt;
    }
  }
  return result;
}

std::optional<Affine> broadcast(const ir::Value* value, size_t rank, int depth) {
  std::optional<Affine> x = affine_of(value, depth);
  if (!x) return std::nullopt;
  x->factors.insert(x->factors.begin(), rank - x->factors.size(), ir::Dim(0));
  return x;
}

std::optional<Affine> combined(const ir::Node& node, int depth) {
  const size_t rank = node.outputs[0]->shape.size();
  std::optional<Affine> a = broadcast(node.inputs[0], rank, depth);
  std::optional<Affine> b = broadcast(node.inputs[1], rank, depth);
  if (!a || !b) return std::nullopt;
  if (node.op == "Mul") {
    if (a->is_uniform()) std::swap(a, b);
    if (!b->is_uniform()) return std::nullopt;
    for (ir::Dim& factor : a->factors) factor = factor * b->offset;
    a->offset = a->offset * b->offset;
    return a;
  }
  const ir::Dim sign = node.op == "Add" ? 1 : -1;
  for (size_t i = 0; i < rank; ++i) a->factors[i] = a->factors[i] + sign * b->factors[i];
  a->offset = a->offset + sign * b->offset;
  return a;
}

std::optional<Affine> affine_of(const ir::Value* value, int depth) {
  constexpr int kDeepest = 16;
  if (depth > kDeepest || !is_integer(value->dtype)) return std::nullopt;
  if (const std::optional<ir::Dim> scalar = known_scalar(value)) {
    return Affine{std::vector<ir::Dim>(value->shape.size(), 0), *scalar};
  }
  const ir::Node* node = value->producer;
  if (node == nullptr) return std::nullopt;
  if (node->op == "Range") {
    const std::optional<ir::Dim> start = known_scalar(node->inputs[0]);
    const std::optional<ir::Dim> step = known_scalar(node->inputs[2]);
    if (start && step) return Affine{{*step}, *start};
  }
  if (node->op == "Reshape" && node->inputs.size() == 1) return reshaped(*node, depth + 1);
  if (node->op == "Add" || node->op == "Sub" || node->op == "Mul")
    return combined(*node, depth + 1);
  return std::nullopt;
}

// Gather of all elements in their order is a Reshape.
void fold_gather(Rewriter& rewriter, ir::Node& gather) {
  const ir::Value& data = *gather.inputs[0];
  const ir::Value& position = *gather.inputs[1];
  if (gather.attributes.get_int("axis") != 0 || data.shape.empty()) return;
  const std::optional<Affine> index = affine_of(&position);
  if (!index || !index->offset.is_constant(0)) return;
  ir::Dim stride = 1;
  for (size_t i = position.shape.size(); i-- > 0;) {
    if (position.shape[i].is_constant(1)) continue;
    if (!(index->factors[i] == stride)) return;
    stride = stride * position.shape[i];
  }
  if (!(stride == data.shape[0])) return;
  ir::Node reshape;
  reshape.op = "Reshape";
  reshape.name = gather.name;
  reshape.inputs = {gather.inputs[0]};
  reshape.attributes.set("shape", as_attribute(gather.outputs[0]->shape));
  reshape.attributes.set("allowzero", int64_t{1});
  rewriter.replace_node(gather, std::move(reshape));
}

// a >= b where the difference has no negative part: true everywhere.
void fold_comparison(Rewriter& rewriter, ir::Node& node) {
  const bool at_least = node.op == "GreaterOrEqual";
  const size_t rank = node.outputs[0]->shape.size();
  const std::optional<Affine> a = broadcast(node.inputs[at_least ? 0 : 1], rank, 0);
  const std::optional<Affine> b = broadcast(node.inputs[at_least ? 1 : 0], rank, 0);
  if (!a || !b || !(a->offset - b->offset).is_provably_non_negative()) return;
  for (size_t i = 0; i < rank; ++i) {
    if (!(a->factors[i] - b->factors[i]).is_provably_non_negative()) return;
  }
  const bool always = true;
  ir::Node expand;
  expand.op = "Expand";
  expand.name = node.name;
  expand.inputs = {
      rewriter.graph().add_constant("", ir::make_constant(DataType::kBool, {}, &always))};
  expand.attributes.set("shape", as_attribute(node.outputs[0]->shape));
  rewriter.replace_node(node, std::move(expand));
}

}  // namespace

// Exporters make masks from ranges of positions: lookups that find every element where it is, and
// comparisons that always hold.
Status range_folding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op == "Gather") fold_gather(rewriter, node);
    if (node.op == "GreaterOrEqual" || node.op == "LessOrEqual") fold_comparison(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
