// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/layers.h"

#include <fnmatch.h>

#include <algorithm>
#include <span>
#include <unordered_set>

#include "ops/op_definition.h"

namespace penstock::quantize {
namespace {

constexpr std::string_view kByType = "op:";

// Patterns are those of the shell: "layer4*", "*/attention/*"; "op:Conv" names all of a type.
bool names(const std::string& pattern, const ir::Node& node) {
  if (std::string_view(pattern).substr(0, kByType.size()) == kByType) {
    return ::fnmatch(pattern.c_str() + kByType.size(), node.op.c_str(), 0) == 0;
  }
  const auto matches = [&](const std::string& name) {
    return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  };
  return matches(node.name) || std::any_of(node.origins.begin(), node.origins.end(), matches);
}

}  // namespace

bool is_quantizable(const ir::Node& node) {
  if (node.op != "Conv" && node.op != "MatMul") return false;
  const ir::Value* x = node.input(0);
  const ir::Value* weights = node.input(1);
  if (x->dtype != DataType::kFloat32 || x->is_constant() || !weights->is_constant()) return false;
  return node.op == "Conv" || weights->shape.size() == 2;
}

int64_t output_axis(const ir::Node& node) {
  if (node.op == "Conv") return 0;
  return node.attributes.get_int("trans_b") != 0 ? 0 : 1;
}

ir::Value* without_views(ir::Value* value) {
  while (value->producer != nullptr) {
    const ops::OpDefinition* op = ops::find_op(value->producer->op);
    if (op == nullptr || !op->is_view) break;
    value = value->producer->inputs[0];
  }
  return value;
}

bool is_never_negative(const ir::Value& value) {
  constexpr std::string_view kNever[] = {"Relu", "Sigmoid", "Softmax", "Exp", "HardSigmoid", "Abs"};
  constexpr std::string_view kAsInput[] = {"MaxPool", "AveragePool", "GlobalAveragePool",
                                           "GlobalMaxPool", "Transpose"};
  const auto contains = [&](std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), value.producer->op) != names.end();
  };
  if (value.producer == nullptr) return false;
  if (contains(kNever)) return true;
  const ops::OpDefinition* op = ops::find_op(value.producer->op);
  const bool passes_on = contains(kAsInput) || (op != nullptr && op->is_view);
  return passes_on && is_never_negative(*value.producer->inputs[0]);
}

std::vector<ir::Value*> watched_values(ir::Graph& graph) {
  std::vector<ir::Value*> values;
  std::unordered_set<const ir::Value*> known;
  const auto watch = [&](ir::Value* value) {
    value = without_views(value);
    if (value->is_constant() || value->dtype != DataType::kFloat32) return;
    if (known.insert(value).second) values.push_back(value);
  };
  for (ir::Node& node : graph.main.nodes) {
    if (is_quantizable(node)) watch(node.inputs[0]);
    if (node.op == "Add") {
      watch(node.inputs[0]);
      watch(node.inputs[1]);
    }
  }
  return values;
}

DataType asked_precision(const ir::Node& node, const std::vector<LayerPrecision>& rules) {
  for (size_t i = rules.size(); i-- > 0;) {
    if (names(rules[i].layers, node)) return rules[i].precision;
  }
  return DataType::kUndefined;
}

Status check_rules(ir::Graph& graph, const std::vector<LayerPrecision>& rules) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const LayerPrecision& rule = rules[i];
    for (size_t j = 0; j < i; ++j) {
      if (rules[j].layers != rule.layers || rules[j].precision == rule.precision) continue;
      return {StatusCode::kInvalidArgument,
              "layer precisions: '" + rule.layers + "' is asked to be in " +
                  std::string(to_string(rules[j].precision)) + " and in " +
                  std::string(to_string(rule.precision)) + "; give it one"};
    }
    if (rule.precision != DataType::kInt8) continue;
    const ir::Node* vain = nullptr;
    bool has_effect = false;
    for (const ir::Node& node : graph.main.nodes) {
      if (!names(rule.layers, node)) continue;
      has_effect |= is_quantizable(node);
      vain = &node;
    }
    if (has_effect || vain == nullptr) continue;
    return {StatusCode::kInvalidArgument,
            "layer precision '" + rule.layers +
                ":int8' names no layer that computes in 8 bits, "
                "such as '" +
                vain->name + "', " + vain->op +
                ": convolutions and matrix products with constant weights do"};
  }
  return Status::ok();
}

std::vector<std::string> idle_rules(ir::Graph& graph, const std::vector<LayerPrecision>& rules) {
  std::vector<std::string> idle;
  for (const LayerPrecision& rule : rules) {
    const auto& nodes = graph.main.nodes;
    if (std::none_of(nodes.begin(), nodes.end(),
                     [&](const ir::Node& node) { return names(rule.layers, node); })) {
      idle.push_back(rule.layers);
    }
  }
  return idle;
}

}  // namespace penstock::quantize
