// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/graph.h"

#include <algorithm>

namespace penstock::ir {

std::string Graph::unique_name(std::string_view wanted) {
  std::string name(wanted);
  while (name.empty() || by_name_.count(name) != 0) {
    name = (wanted.empty() ? std::string("v") : std::string(wanted) + ".") +
           std::to_string(next_name_++);
  }
  return name;
}

Value* Graph::add_value(std::string_view name, DataType dtype, SymbolicShape shape) {
  auto value = std::make_unique<Value>();
  value->id = static_cast<int>(values_.size());
  value->name = unique_name(name);
  value->dtype = dtype;
  value->shape = std::move(shape);
  Value* raw = value.get();
  by_name_.emplace(raw->name, raw);
  values_.push_back(std::move(value));
  return raw;
}

Value* Graph::add_constant(std::string_view name, ConstantRef constant) {
  SymbolicShape shape(constant->shape.begin(), constant->shape.end());
  Value* value = add_value(name, constant->dtype, std::move(shape));
  // Small integer tensors may become parts of shapes: keep their elements as extents.
  if (constant->shape.size() <= 2 && element_count(constant->shape) <= 4096 &&
      (is_integer(constant->dtype) || constant->dtype == DataType::kBool)) {
    const std::vector<int64_t> elements = to_int64s(*constant);
    value->contents.emplace(elements.begin(), elements.end());
  }
  value->constant = std::move(constant);
  return value;
}

Value* Graph::add_float_constant(float value) {
  return add_constant("", make_constant(DataType::kFloat32, {}, &value));
}

Value* Graph::add_int64_constant(const std::vector<int64_t>& values) {
  return add_constant(
      "", make_constant(DataType::kInt64, {static_cast<int64_t>(values.size())}, values));
}

void Graph::rename(Value* value, std::string_view name) {
  if (value->name == name) return;
  by_name_.erase(value->name);
  const std::string key(name);
  if (const auto holder = by_name_.find(key); holder != by_name_.end()) {
    Value* other = holder->second;
    other->name = unique_name(name);
    by_name_.emplace(other->name, other);
  }
  value->name = key;
  by_name_.insert_or_assign(key, value);
}

NodeIterator Graph::insert(Region& region, NodeIterator where, Node node) {
  auto it = region.nodes.insert(where, std::move(node));
  for (Value* output : it->outputs) {
    if (output != nullptr) output->producer = &*it;
  }
  return it;
}

NodeIterator Graph::erase(Region& region, NodeIterator node) {
  for (Value* output : node->outputs) {
    if (output != nullptr && output->producer == &*node) output->producer = nullptr;
  }
  return region.nodes.erase(node);
}

void Graph::replace_uses(Value* from, Value* to) {
  for_each_region(main, [&](Region& region) {
    for (Node& node : region.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
    std::replace(region.outputs.begin(), region.outputs.end(), from, to);
  });
}

void Graph::swap_names(Value* a, Value* b) {
  std::swap(a->name, b->name);
  by_name_[a->name] = a;
  by_name_[b->name] = b;
}

namespace {

void substitute(std::vector<Dim>& dims, std::string_view symbol, const Dim& value) {
  for (Dim& dim : dims) {
    if (!mentions(dim, symbol)) continue;
    dim = dim.substitute(
        [&](std::string_view name) { return name == symbol ? value : Dim::symbol(name); });
  }
}

}  // namespace

bool mentions(const Dim& dim, std::string_view symbol) {
  if (dim.is_constant()) return false;
  std::vector<std::string> names;
  dim.collect_symbols(names);
  return std::find(names.begin(), names.end(), symbol) != names.end();
}

void Graph::substitute_symbol(std::string_view symbol, const Dim& value) {
  for (const auto& owned : values_) {
    substitute(owned->shape, symbol, value);
    if (owned->contents) substitute(*owned->contents, symbol, value);
  }
  for_each_region(main, [&](Region& region) {
    for (Node& node : region.nodes) {
      const Attributes before = node.attributes;
      for (const auto& [name, attribute] : before.all()) {
        const auto* dims = std::get_if<SymbolicShape>(&attribute);
        if (dims == nullptr) continue;
        SymbolicShape changed = *dims;
        substitute(changed, symbol, value);
        node.attributes.set(name, std::move(changed));
      }
    }
  });
}

Dim Graph::fresh_symbol() { return Dim::symbol("u" + std::to_string(next_symbol_++)); }

Value* Graph::find_value(std::string_view name) const {
  auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : it->second;
}

bool is_data_dependent_symbol(std::string_view name) {
  return name.size() >= 2 && name[0] == 'u' &&
         std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_data_dependent(const Dim& dim) {
  if (dim.is_constant()) return false;
  std::vector<std::string> symbols;
  dim.collect_symbols(symbols);
  return std::any_of(symbols.begin(), symbols.end(),
                     [](const std::string& s) { return is_data_dependent_symbol(s); });
}

bool is_data_dependent(const SymbolicShape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](const Dim& d) { return is_data_dependent(d); });
}

Uses::Uses(Graph& graph) {
  for_each_region(graph.main, [&](Region& region) {
    for (Node& node : region.nodes) {
      for (Value* input : node.inputs) {
        if (input != nullptr) nodes_[input].push_back(&node);
      }
    }
    for (Value* output : region.outputs) ++outputs_[output];
  });
}

const std::vector<Node*>& Uses::of(const Value* value) const {
  static const std::vector<Node*> kNone;
  auto it = nodes_.find(value);
  return it == nodes_.end() ? kNone : it->second;
}

bool Uses::is_output(const Value* value) const { return outputs_.count(value) != 0; }

bool Uses::has_single_use(const Value* value) const {
  return !is_output(value) && of(value).size() == 1;
}

}  // namespace penstock::ir
