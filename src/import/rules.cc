// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/rules.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "ops/custom/custom.h"

namespace penstock::importer {
namespace {

using Index = std::unordered_map<std::string_view, std::vector<const Rule*>>;

Index make_index() {
  Index index;
  for (const Rule* rule : all_rules()) index[rule->op].push_back(rule);
  return index;
}

}  // namespace

std::vector<const Rule*> all_rules() {
  std::vector<const Rule*> all;
  for (const RuleList rules : {elementwise_rules(),
                               movement_rules(),
                               indexing_rules(),
                               reduction_rules(),
                               convolution_rules(),
                               matmul_rules(),
                               normalization_rules(),
                               recurrent_rules(),
                               vision_rules(),
                               quantization_rules(),
                               contrib_quantization_rules(),
                               random_rules(),
                               control_rules(),
                               sequence_rules(),
                               text_rules(),
                               ml_rules(),
                               training_rules(),
                               attention_rules(),
                               signal_rules(),
                               legacy_rules()}) {
    for (const Rule& rule : rules) all.push_back(&rule);
  }
  return all;
}

const Rule* find_rule(std::string_view op, int opset) {
  static const Index kIndex = make_index();
  const auto forms = kIndex.find(op);
  if (forms == kIndex.end()) return nullptr;
  const Rule* best = nullptr;
  for (const Rule* rule : forms->second) {
    if (rule->since <= opset && (best == nullptr || rule->since > best->since)) best = rule;
  }
  return best;
}

const Rule* find_custom_rule(std::string_view domain, std::string_view op) {
  const ops::OpDefinition* definition = ops::find_op(ops::custom_op_name(domain, op));
  if (definition == nullptr) return nullptr;
  static std::mutex mutex;
  static std::map<const ops::OpDefinition*, Rule> rules;  // definitions live on and never change
  std::lock_guard lock(mutex);
  const auto [found, inserted] = rules.try_emplace(definition);
  if (inserted) {
    found->second = {.op = definition->name,
                     .inputs = {definition->min_inputs, definition->max_inputs},
                     .outputs = definition->outputs,
                     .attributes = "*"};
  }
  return &found->second;
}

std::string_view missing_core_op(const Rule& rule) {
  std::string_view names = rule.core.empty() ? rule.op : rule.core;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(' '));
    if (ops::find_op(name) == nullptr) return name;
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  return {};
}

}  // namespace penstock::importer
