// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/node_facts.h"

namespace penstock::tune {
namespace {

int64_t value_of(const SymbolValues& symbols, std::string_view name) {
  auto it = symbols.find(name);
  return it == symbols.end() ? kGuessedExtent : it->second;
}

backends::Operand make_operand(const ir::Value* value, const SymbolValues& symbols) {
  backends::Operand operand;
  if (value == nullptr) return operand;
  operand.present = true;
  operand.dtype = value->dtype;
  for (const ir::Dim& d : value->shape) {
    operand.shape.push_back(d.is_constant() ? d.constant() : d.evaluate([&](std::string_view name) {
      return value_of(symbols, name);
    }));
  }
  if (value->is_constant()) {
    operand.data = value->constant->data;
    operand.bytes = value->constant->bytes;
  }
  return operand;
}

std::string operand_text(const backends::Operand& operand) {
  if (!operand.present) return "_";
  std::string text = std::string(to_string(operand.dtype)) + to_string(operand.shape);
  if (operand.layout != ir::Layout::kPlain)
    text += "@" + std::string(ir::to_string(operand.layout));
  return operand.data != nullptr ? text + "!" : text;
}

}  // namespace

backends::NodeFacts make_facts(const ir::Node& node, const SymbolValues& symbols, int threads) {
  backends::NodeFacts facts;
  facts.op = node.op;
  facts.name = node.name;
  facts.threads = threads;
  facts.attributes =
      node.attributes.resolved([&](std::string_view name) { return value_of(symbols, name); });
  for (const ir::Value* input : node.inputs) facts.inputs.push_back(make_operand(input, symbols));
  for (const ir::Value* output : node.outputs)
    facts.outputs.push_back(make_operand(output, symbols));
  return facts;
}

bool depends_on_data(const ir::Node& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const ir::Value* value : *list) {
      if (value != nullptr && ir::is_data_dependent(value->shape)) return true;
    }
  }
  for (const auto& [name, attribute] : node.attributes.all()) {
    const auto* shape = std::get_if<ir::SymbolicShape>(&attribute);
    if (shape != nullptr && ir::is_data_dependent(*shape)) return true;
  }
  return false;
}

bool holds_plain_data(const ir::Node& node) {
  for (const auto* list : {&node.inputs, &node.outputs}) {
    for (const ir::Value* value : *list) {
      if (value != nullptr && !is_plain(value->dtype)) return false;
    }
  }
  return true;
}

void apply_form(const backends::Form& form, backends::NodeFacts& facts) {
  for (size_t i = 0; i < facts.inputs.size(); ++i) facts.inputs[i].layout = form.inputs[i];
  for (size_t i = 0; i < facts.outputs.size(); ++i) facts.outputs[i].layout = form.outputs[i];
  facts.config = form.config;
}

std::string signature(const backends::NodeFacts& facts) {
  std::string text = facts.op + ir::to_string(facts.attributes) + "(";
  for (const backends::Operand& operand : facts.inputs) text += operand_text(operand) + ",";
  text += ")->(";
  for (const backends::Operand& operand : facts.outputs) text += operand_text(operand) + ",";
  return text + ")x" + std::to_string(facts.threads);
}

}  // namespace penstock::tune
