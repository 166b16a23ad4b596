// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/diagnostics.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "import/model_file.h"
#include "import/rules.h"
#include "ops/cpu_tactics.h"
#include "ops/find_backend.h"

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

using Sources = std::vector<const backends::TacticSource*>;

// Of each backend that is installed, whether or not its device is here.
std::map<std::string, Sources> sources_by_backend() {
  std::map<std::string, Sources> sources;
  const auto& cpu = ops::cpu_backend()->tactic_sources();
  sources["cpu"] = Sources(cpu.begin(), cpu.end());
  if (auto cuda = ops::cuda_tactic_sources(); cuda.is_ok()) sources["cuda"] = *std::move(cuda);
  return sources;
}

struct Kernels {
  std::set<std::string> tactics;    // other than the reference kernels
  std::set<std::string> reference;  // core operators that no other tactic serves
};

Kernels kernels_of(const Sources& sources, const std::set<std::string>& operators) {
  Kernels kernels;
  for (const std::string& op : operators) {
    bool is_served = false;
    for (const backends::TacticSource* source : sources) {
      if (source->name() == "reference") continue;
      for (const backends::Tactic* tactic : source->tactics_for(op)) {
        kernels.tactics.emplace(tactic->name());
        is_served = true;
      }
    }
    if (!is_served) kernels.reference.insert(op);
  }
  return kernels;
}

}  // namespace

std::string list_operators() {
  const std::map<std::string, Sources> backends = sources_by_backend();
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
    json tactics;
    json reference;
    for (const auto& [backend, sources] : backends) {
      const Kernels kernels = kernels_of(sources, facts.core);
      tactics[backend] = kernels.tactics;
      reference[backend] = kernels.reference;
    }
    list.push_back({{"operator", name},
                    {"forms", facts.since},
                    {"core", facts.core},
                    {"tactics", std::move(tactics)},
                    {"reference", std::move(reference)}});
  }
  return json{{"opsets", {importer::kOldestOpset, importer::kNewestOpset}},
              {"operators", std::move(list)}}
      .dump(1);
}

}  // namespace penstock
