// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/symbols.h"

#include <algorithm>
#include <set>

namespace penstock::passes {
namespace {

class Substituter {
 public:
  explicit Substituter(const Substitutions& substitutions) : substitutions_(substitutions) {}

  void apply(std::vector<ir::Dim>& extents) const {
    for (ir::Dim& extent : extents) {
      if (!extent.is_constant() && ir::is_data_dependent(extent)) apply(extent);
    }
  }

 private:
  // One after the other: what a symbol stands for may hold a later one.
  void apply(ir::Dim& extent) const {
    for (const auto& [symbol, known] : substitutions_) {
      extent = extent.substitute([&symbol = symbol, &known = known](std::string_view name) {
        return name == symbol ? known : ir::Dim::symbol(name);
      });
    }
  }

  const Substitutions& substitutions_;
};

using Symbols = std::set<std::string, std::less<>>;

void define(const std::vector<ir::Value*>& values, Symbols& defined) {
  for (const ir::Value* value : values) {
    if (value == nullptr) continue;
    for (const ir::Dim& extent : value->shape) {
      if (!extent.symbol_name().empty()) defined.emplace(extent.symbol_name());
    }
  }
}

Status check_region(const ir::Region& region, Symbols& defined) {
  define(region.inputs, defined);
  for (const ir::Node& node : region.nodes) {
    for (const auto& [name, attribute] : node.attributes.all()) {
      const auto* extents = std::get_if<ir::SymbolicShape>(&attribute);
      if (extents == nullptr) continue;
      std::vector<std::string> symbols;
      for (const ir::Dim& extent : *extents) extent.collect_symbols(symbols);
      for (const std::string& symbol : symbols) {
        if (!ir::is_data_dependent_symbol(symbol) || defined.count(symbol) != 0) continue;
        return {StatusCode::kInternal, "attribute '" + name + "' of node '" + node.name + "' (" +
                                           node.op + ") needs '" + symbol +
                                           "', which nothing before it computes"};
      }
    }
    for (const auto& nested : node.regions) {
      PENSTOCK_RETURN_IF_ERROR(check_region(*nested, defined));
    }
    define(node.outputs, defined);
  }
  return Status::ok();
}

}  // namespace

void note_substitutions(const ir::SymbolicShape& value, const ir::SymbolicShape& known,
                        Substitutions& found) {
  if (value.size() != known.size()) return;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string_view symbol = value[i].symbol_name();
    if (!ir::is_data_dependent_symbol(symbol) || value[i] == known[i]) continue;
    const bool is_known = std::any_of(found.begin(), found.end(),
                                      [&](const auto& entry) { return entry.first == symbol; });
    if (!is_known) found.emplace_back(symbol, known[i]);
  }
}

void substitute(ir::Graph& graph, const Substitutions& substitutions) {
  if (substitutions.empty()) return;
  const Substituter substituter(substitutions);
  for (const auto& value : graph.values()) {
    substituter.apply(value->shape);
    if (value->contents) substituter.apply(*value->contents);
  }
  ir::for_each_region(graph.main, [&](ir::Region& region) {
    for (ir::Node& node : region.nodes) {
      ir::Attributes attributes = node.attributes;
      for (const auto& [name, attribute] : node.attributes.all()) {
        const auto* extents = std::get_if<ir::SymbolicShape>(&attribute);
        if (extents == nullptr || !ir::is_data_dependent(*extents)) continue;
        ir::SymbolicShape replaced = *extents;
        substituter.apply(replaced);
        attributes.set(name, as_attribute(replaced));
      }
      node.attributes = std::move(attributes);
    }
  });
}

ir::Attribute as_attribute(const std::vector<ir::Dim>& extents) {
  if (!ir::is_constant(extents)) return extents;
  std::vector<int64_t> integers;
  for (const ir::Dim& extent : extents) integers.push_back(extent.constant());
  return integers;
}

Status check_symbols(const ir::Graph& graph) {
  Symbols defined;
  return check_region(graph.main, defined);
}

}  // namespace penstock::passes
