// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/diagnostics.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "import/model_file.h"
#include "import/rules.h"
#include "ops/cpu_tactics.h"

namespace penstock {
namespace {

using nlohmann::json;

std::vector<std::string> core_operators(const importer::Rule& rule) {
  std::vector<std::string> names;
  std::string_view left = rule.core.empty() ? rule.op : rule.core;
  while (!left.empty()) {
    const std::string_view name = left.substr(0, left.find(' '));
    names.emplace_back(name);
    left.remove_prefix(std::min(left.size(), name.size() + 1));
  }
  return names;
}

// Tactics other than the reference kernel.
std::vector<std::string> fast_tactics(const backends::Backend& backend, const std::string& op) {
  std::vector<std::string> names;
  for (const backends::TacticSource* source : backend.tactic_sources()) {
    if (source->name() == "reference") continue;
    for (const backends::Tactic* tactic : source->tactics_for(op))
      names.emplace_back(tactic->name());
  }
  return names;
}

}  // namespace

std::string list_operators() {
  const std::shared_ptr<backends::Backend> backend = ops::cpu_backend();
  struct Facts {
    std::set<int> since;
    std::set<std::string> core;
  };
  std::map<std::string, Facts> operators;
  for (const importer::Rule* rule : importer::all_rules()) {
    Facts& facts = operators[std::string(rule->op)];
    facts.since.insert(rule->since);
    for (const std::string& name : core_operators(*rule)) facts.core.insert(name);
  }
  json list = json::array();
  for (const auto& [name, facts] : operators) {
    std::set<std::string> tactics;
    for (const std::string& core : facts.core) {
      for (const std::string& tactic : fast_tactics(*backend, core)) tactics.insert(tactic);
    }
    list.push_back({{"operator", name},
                    {"forms", facts.since},
                    {"core", facts.core},
                    {"tactics", {{std::string(backend->name()), tactics}}}});
  }
  return json{{"opsets", {importer::kOldestOpset, importer::kNewestOpset}},
              {"operators", std::move(list)}}
      .dump(1);
}

}  // namespace penstock
