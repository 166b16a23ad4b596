// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/symbols.h"

namespace penstock::passes {
namespace {

bool all_are(const ir::Value* value, float expected) {
  if (value == nullptr || !value->is_constant()) return false;
  const ir::Constant& constant = *value->constant;
  const auto is_expected = [&](auto x) { return static_cast<float>(x) == expected; };
  if (is_floating(constant.dtype)) {
    const std::vector<float> elements = ir::to_floats(constant);
    return std::all_of(elements.begin(), elements.end(), is_expected);
  }
  if (!is_integer(constant.dtype)) return false;
  const std::vector<int64_t> elements = ir::to_int64s(constant);
  return std::all_of(elements.begin(), elements.end(), is_expected);
}

bool all_zero(const std::vector<ir::Dim>& extents) {
  return std::all_of(extents.begin(), extents.end(),
                     [](const ir::Dim& d) { return d.is_constant(0); });
}

// x + 0, x - 0, x * 1, x / 1, x ^ 1: the operand that is also the result, else null.
ir::Value* neutral_operand(const ir::Node& node) {
  if (node.inputs.size() != 2) return nullptr;
  const bool is_sum = node.op == "Add" || node.op == "Sub";
  const bool is_product = node.op == "Mul" || node.op == "Div" || node.op == "Pow";
  if (!is_sum && !is_product) return nullptr;
  const float neutral = is_sum ? 0.0f : 1.0f;
  if (all_are(node.inputs[1], neutral)) return node.inputs[0];
  const bool commutes = node.op == "Add" || node.op == "Mul";
  return commutes && all_are(node.inputs[0], neutral) ? node.inputs[1] : nullptr;
}

// x and true, x or false: the operand that is the result, apart from a broadcast.
ir::Value* neutral_condition(const ir::Node& node) {
  if (node.op != "And" && node.op != "Or") return nullptr;
  const int64_t neutral = node.op == "And" ? 1 : 0;
  for (size_t i = 0; i < 2; ++i) {
    const ir::Value* other = node.inputs[1 - i];
    if (const ir::Node* expand = producer(other, "Expand")) other = expand->inputs[0];
    if (!other->is_constant()) continue;
    const std::vector<int64_t> elements = ir::to_int64s(*other->constant);
    if (std::all_of(elements.begin(), elements.end(), [&](int64_t x) { return x == neutral; })) {
      return node.inputs[i];
    }
  }
  return nullptr;
}

std::vector<int64_t> permutation(const ir::Node& transpose) {
  std::vector<int64_t> reversed(transpose.inputs[0]->shape.size());
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  return transpose.attributes.get_ints("perm", reversed);
}

// A Slice from 0 with step 1 that keeps the shape keeps everything.
bool takes_all(const ir::Node& slice) {
  const ir::SymbolicShape steps = slice.attributes.get_dims("steps");
  return slice.inputs.size() == 1 && slice.attributes.has("starts") &&
         all_zero(slice.attributes.get_dims("starts")) &&
         std::all_of(steps.begin(), steps.end(),
                     [](const ir::Dim& step) { return step.is_constant(1); });
}

// The input that this node passes on unchanged, apart from a broadcast that the caller checks.
ir::Value* passed_on(const ir::Node& node) {
  const std::string& op = node.op;
  ir::Value* x = node.input(0);
  if (op == "Copy" || op == "Cast" || op == "Expand" || op == "Tile") return x;
  if (op == "Reshape" && node.attributes.has("shape")) return x;
  if (op == "Slice" && takes_all(node)) return x;
  if (op == "Pad" && node.attributes.has("pads") && all_zero(node.attributes.get_dims("pads"))) {
    return x;
  }
  if ((op == "Concat" || op == "Sum" || op == "Max" || op == "Min") && node.inputs.size() == 1) {
    return x;
  }
  if (op == "Split" && node.outputs.size() == 1) return x;
  if (op == "Transpose") {
    const std::vector<int64_t> perm = permutation(node);
    return std::is_sorted(perm.begin(), perm.end()) ? x : nullptr;
  }
  return neutral_operand(node);
}

bool remove_identity(Rewriter& rewriter, ir::Node& node) {
  if (node.outputs.empty() || node.outputs[0] == nullptr) return false;
  ir::Value* x = passed_on(node);
  ir::Value* y = node.outputs[0];
  if (x == nullptr || x->dtype != y->dtype || x->shape != y->shape) return false;
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != nullptr && !rewriter.is_unused(node.outputs[i])) return false;
  }
  return rewriter.replace(y, x);
}

// A condition that only broadcasts the other is an Expand.
void make_expand(Rewriter& rewriter, ir::Node& node) {
  ir::Value* x = neutral_condition(node);
  if (x == nullptr) return;
  ir::Node expand;
  expand.op = "Expand";
  expand.name = node.name;
  expand.inputs = {x};
  expand.attributes.set("shape", as_attribute(node.outputs[0]->shape));
  rewriter.replace_node(node, std::move(expand));
}

// Operators that broadcast take an operand as it is in front of an Expand, where another operand
// has the full shape.
void skip_expand(Rewriter& rewriter, ir::Node& node) {
  constexpr std::string_view kBroadcasting[] = {"Add",
                                                "And",
                                                "Div",
                                                "Equal",
                                                "Greater",
                                                "Less",
                                                "Max",
                                                "Min",
                                                "Mul",
                                                "Or",
                                                "Pow",
                                                "PRelu",
                                                "Sub",
                                                "Where",
                                                "Xor",
                                                "Mod",
                                                "GreaterOrEqual",
                                                "LessOrEqual"};
  if (std::find(std::begin(kBroadcasting), std::end(kBroadcasting), node.op) ==
      std::end(kBroadcasting)) {
    return;
  }
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::Node* expand = producer(node.inputs[i], "Expand");
    if (expand == nullptr) continue;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const bool is_full = node.inputs[k]->shape == node.outputs[0]->shape;
      if (k == i || !is_full || producer(node.inputs[k], "Expand") != nullptr) continue;
      merge_origins(node.origins, expand->origins);
      rewriter.set_input(node, i, expand->inputs[0]);
      break;
    }
  }
}

// Of two Reshapes, Expands or Transposes in a row, the second does it all.
void compose(Rewriter& rewriter, ir::Node& node) {
  if (node.op == "Expand" && node.attributes.has("shape")) {
    const ir::Node* first = producer(node.inputs[0], "Expand");
    if (first != nullptr) {
      merge_origins(node.origins, first->origins);
      node.attributes.set("shape", as_attribute(node.outputs[0]->shape));
      rewriter.set_input(node, 0, first->inputs[0]);
    }
    return;
  }
  if (node.op == "Reshape" && node.attributes.has("shape")) {
    const ir::Node* first = producer(node.inputs[0], "Reshape");
    if (first == nullptr || first->inputs.size() != 1) return;
    merge_origins(node.origins, first->origins);
    rewriter.set_input(node, 0, first->inputs[0]);
  } else if (node.op == "Transpose") {
    const ir::Node* first = producer(node.inputs[0], "Transpose");
    if (first == nullptr) return;
    const std::vector<int64_t> inner = permutation(*first);
    std::vector<int64_t> perm;
    for (int64_t axis : permutation(node)) perm.push_back(inner[axis]);
    node.attributes.set("perm", perm);
    merge_origins(node.origins, first->origins);
    rewriter.set_input(node, 0, first->inputs[0]);
  }
}

// A Transpose that only moves axes of extent 1 moves no element.
void transpose_to_reshape(ir::Node& node) {
  if (node.op != "Transpose") return;
  int64_t last = -1;
  for (int64_t axis : permutation(node)) {
    if (node.inputs[0]->shape[axis].is_constant(1)) continue;
    if (axis < last) return;
    last = axis;
  }
  node.op = "Reshape";
  node.attributes = {};
  node.attributes.set("shape", node.outputs[0]->shape);
  node.attributes.set("allowzero", int64_t{1});
}

// If with a condition known at build time: the chosen body takes its place.
void inline_if(Rewriter& rewriter, ir::Node& node) {
  if (node.op != "If" || node.regions.size() != 2) return;
  std::optional<bool> condition;
  if (node.attributes.has("cond")) {
    const ir::SymbolicShape extents = node.attributes.get_dims("cond");
    if (extents.size() == 1 && extents[0].is_constant()) condition = extents[0].constant() != 0;
  } else if (node.input(0) != nullptr && node.inputs[0]->contents &&
             node.inputs[0]->contents->size() == 1 &&
             node.inputs[0]->contents->front().is_constant()) {
    condition = node.inputs[0]->contents->front().constant() != 0;
  }
  if (!condition) return;
  ir::Region& body = *node.regions[*condition ? 0 : 1];
  const std::vector<ir::Value*> results = body.outputs;
  const std::vector<ir::Value*> outputs = node.outputs;
  rewriter.splice(node, body);
  for (size_t i = 0; i < outputs.size() && rewriter.is_alive(&node); ++i) {
    if (outputs[i] != nullptr) rewriter.replace_or_copy(outputs[i], results[i], node);
  }
}

}  // namespace

// Removes nodes that do nothing.
Status identity_elimination(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    inline_if(rewriter, node);
    if (!rewriter.is_alive(&node)) return;
    make_expand(rewriter, node);
    if (!rewriter.is_alive(&node)) return;
    skip_expand(rewriter, node);
    compose(rewriter, node);
    transpose_to_reshape(node);
    remove_identity(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
