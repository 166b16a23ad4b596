// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <span>
#include <string_view>
#include <vector>

namespace penstock::importer {

class NodeImporter;

// How many inputs an ONNX operator takes; a `max` of kAny means any number.
struct Arity {
  static constexpr int kAny = -1;
  int min = 0;
  int max = 0;
};

// Emits the same core operator with the same inputs, outputs and attributes.
Status pass_through(NodeImporter& node);

// How one form of an ONNX operator becomes core operators. An operator whose definition changed
// has a rule for each form; a node takes the newest that its model's opset reaches.
struct Rule {
  std::string_view op;  // "domain::Name" in domains other than ONNX's own, which have one opset
  int since = 1;
  Arity inputs;
  int outputs = 1;  // the most it has, or Arity::kAny
  // Its attributes as "name:kind ...": i, f, s are an int, float, string; I, F, S lists of them;
  // t a tensor, g a graph, p a type. With ~ in front, the attribute is allowed and has no effect
  // here. "*" takes any attribute of plain kinds.
  std::string_view attributes = "";
  Status (*import)(NodeImporter& node) = pass_through;
  // The core operators that it takes, separated by spaces; empty for the one of the same name.
  std::string_view core = "";
};

using RuleList = std::span<const Rule>;

// One list per family, each in its own file: the newest ONNX operators of that family.
RuleList elementwise_rules();
RuleList movement_rules();
RuleList indexing_rules();
RuleList reduction_rules();
RuleList convolution_rules();
RuleList matmul_rules();
RuleList normalization_rules();
RuleList recurrent_rules();
RuleList vision_rules();
RuleList quantization_rules();
RuleList contrib_quantization_rules();  // of the domain com.microsoft
RuleList random_rules();
RuleList control_rules();
RuleList sequence_rules();
RuleList text_rules();
RuleList ml_rules();        // of the domain ai.onnx.ml
RuleList training_rules();  // of the domain ai.onnx.preview.training
RuleList attention_rules();
RuleList signal_rules();
RuleList legacy_rules();  // forms that ended with opset 6

std::vector<const Rule*> all_rules();
// The rule for an operator, named as in Rule::op, at that opset of its domain; null where there is
// none.
const Rule* find_rule(std::string_view op, int opset);
// The rule for an operator that the application registered; null where there is none.
const Rule* find_custom_rule(std::string_view domain, std::string_view op);
// The core operators of `rule` that are missing from this build, the first of them; empty if none.
std::string_view missing_core_op(const Rule& rule);

}  // namespace penstock::importer
