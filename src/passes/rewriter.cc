// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/rewriter.h"

#include <algorithm>

#include "ops/op_definition.h"

namespace penstock::passes {
namespace {

bool contains(const std::vector<ir::Value*>& values, const ir::Value* value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

void collect_nodes(ir::Region& region, std::vector<ir::Node*>& nodes) {
  for (ir::Node& node : region.nodes) {
    nodes.push_back(&node);
    for (auto& nested : node.regions) collect_nodes(*nested, nodes);
  }
}

}  // namespace

void merge_origins(std::vector<std::string>& into, const std::vector<std::string>& from) {
  for (const std::string& origin : from) {
    if (std::find(into.begin(), into.end(), origin) == into.end()) into.push_back(origin);
  }
}

Rewriter::Rewriter(ir::Graph& graph) : graph_(graph) { register_region(graph.main); }

void Rewriter::register_region(ir::Region& region) {
  for (auto it = region.nodes.begin(); it != region.nodes.end(); ++it) register_node(region, it);
  for (const ir::Value* output : region.outputs) ++outputs_[output];
}

void Rewriter::register_node(ir::Region& region, ir::NodeIterator at) {
  places_[&*at] = {&region, at};
  for (ir::Value* input : at->inputs) {
    if (input != nullptr) users_[input].push_back(&*at);
  }
  for (auto& nested : at->regions) register_region(*nested);
}

std::vector<ir::Node*> Rewriter::nodes() {
  std::vector<ir::Node*> nodes;
  collect_nodes(graph_.main, nodes);
  return nodes;
}

const std::vector<ir::Node*>& Rewriter::users(const ir::Value* value) const {
  static const std::vector<ir::Node*> kNone;
  auto it = users_.find(value);
  return it == users_.end() ? kNone : it->second;
}

bool Rewriter::is_output(const ir::Value* value) const {
  auto it = outputs_.find(value);
  return it != outputs_.end() && it->second > 0;
}

bool Rewriter::is_unused(const ir::Value* value) const {
  return users(value).empty() && !is_output(value);
}

bool Rewriter::same_region(const ir::Node& a, const ir::Node& b) const {
  return places_.at(&a).region == places_.at(&b).region;
}

ir::Node* Rewriter::single_user(const ir::Value* value) const {
  if (value == nullptr || is_output(value) || users(value).size() != 1) return nullptr;
  ir::Node* user = users(value).front();
  if (value->producer != nullptr && !same_region(*value->producer, *user)) return nullptr;
  return user;
}

bool Rewriter::has_single_use(const ir::Value* value) const {
  return single_user(value) != nullptr;
}

namespace {

// Being one value, what is a data-dependent symbol in the one's shape is the other's extent.
void unify_symbols(ir::Graph& graph, const ir::Value& from, const ir::Value& to) {
  const ir::SymbolicShape before = from.shape;
  for (size_t i = 0; before.size() == to.shape.size() && i < before.size(); ++i) {
    const std::string symbol(before[i].symbol_name());
    if (ir::is_data_dependent_symbol(symbol) && !ir::mentions(to.shape[i], symbol)) {
      graph.substitute_symbol(symbol, to.shape[i]);
    }
  }
}

}  // namespace

bool Rewriter::replace(ir::Value* from, ir::Value* to) {
  if (from == to) return true;
  unify_symbols(graph_, *from, *to);
  if (contains(graph_.main.outputs, from)) {
    if (to->is_constant() || contains(graph_.main.outputs, to) ||
        contains(graph_.main.inputs, to)) {
      return false;
    }
    graph_.swap_names(from, to);
  }
  note_substitutions(from->shape, to->shape, substitutions_);
  std::vector<ir::Node*> moved = std::move(users_[from]);
  users_.erase(from);
  for (ir::Node* user : moved) std::replace(user->inputs.begin(), user->inputs.end(), from, to);
  if (is_output(from)) {
    ir::for_each_region(graph_.main, [&](ir::Region& region) {
      std::replace(region.outputs.begin(), region.outputs.end(), from, to);
    });
  }
  std::vector<ir::Node*>& users = users_[to];
  users.insert(users.end(), moved.begin(), moved.end());
  outputs_[to] += outputs_[from];
  outputs_.erase(from);
  if (from->producer != nullptr) erase_unused_producers({from});
  return true;
}

Status Rewriter::finish() {
  substitute(graph_, substitutions_);
  substitutions_.clear();
  return status_;
}

void Rewriter::replace_or_copy(ir::Value* from, ir::Value* to, ir::Node& where) {
  if (replace(from, to)) return;
  ir::Value* copy = emit(where, where, "Copy", {to});
  if (copy != nullptr) replace(from, copy);
}

void Rewriter::drop_use(ir::Value* value, const ir::Node& user) {
  std::vector<ir::Node*>& users = users_[value];
  auto it = std::find(users.begin(), users.end(), &user);
  if (it != users.end()) users.erase(it);
}

void Rewriter::set_input(ir::Node& node, size_t i, ir::Value* value) {
  ir::Value* old = node.inputs[i];
  if (old == value) return;
  node.inputs[i] = value;
  if (value != nullptr) users_[value].push_back(&node);
  if (old == nullptr) return;
  drop_use(old, node);
  erase_unused_producers({old});
}

void Rewriter::set_inputs(ir::Node& node, std::vector<ir::Value*> inputs) {
  std::vector<ir::Value*> old = std::move(node.inputs);
  node.inputs = std::move(inputs);
  for (ir::Value* value : node.inputs) {
    if (value != nullptr) users_[value].push_back(&node);
  }
  std::erase(old, nullptr);
  for (ir::Value* value : old) drop_use(value, node);
  erase_unused_producers(std::move(old));
}

ir::Value* Rewriter::emit(ir::Node& where, const ir::Node& like, std::string_view op,
                          std::vector<ir::Value*> inputs, ir::Attributes attributes) {
  ir::Node node;
  node.op = op;
  node.name = like.name;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  node.origins = like.origins;
  ir::Value* output = graph_.add_value(like.name, DataType::kUndefined, {});
  node.outputs = {output};
  const Place& place = places_.at(&where);
  auto at = graph_.insert(*place.region, place.at, std::move(node));
  register_node(*place.region, at);
  Status inferred = ops::infer_node(graph_, *at);
  if (!inferred.is_ok()) {
    if (status_.is_ok()) status_ = inferred;
    erase(*at);
    return nullptr;
  }
  return output;
}

ir::Node& Rewriter::replace_node(ir::Node& root, ir::Node replacement,
                                 const std::vector<ir::Node*>& absorbed) {
  for (const ir::Node* node : absorbed) {
    if (node != &root) merge_origins(replacement.origins, node->origins);
  }
  merge_origins(replacement.origins, root.origins);
  const Place place = places_.at(&root);
  if (replacement.outputs.empty()) replacement.outputs = root.outputs;
  auto at = graph_.insert(*place.region, place.at, std::move(replacement));
  register_node(*place.region, at);
  std::vector<ir::Value*> released;
  root.outputs.clear();
  forget(root, released);
  place.region->nodes.erase(place.at);
  erase_unused_producers(std::move(released));
  return *at;
}

// Takes a node's uses, and those of its nested regions, out of the books.
void Rewriter::forget(ir::Node& node, std::vector<ir::Value*>& released) {
  for (ir::Value* input : node.inputs) {
    if (input == nullptr) continue;
    drop_use(input, node);
    released.push_back(input);
  }
  for (auto& nested : node.regions) {
    for (ir::Node& inner : nested->nodes) {
      forget(inner, released);
      for (ir::Value* value : inner.outputs) {
        if (value != nullptr) value->producer = nullptr;
      }
    }
    for (ir::Value* output : nested->outputs) {
      --outputs_[output];
      released.push_back(output);
    }
  }
  places_.erase(&node);
}

void Rewriter::erase(ir::Node& node) {
  const Place place = places_.at(&node);
  std::vector<ir::Value*> released;
  forget(node, released);
  graph_.erase(*place.region, place.at);
  erase_unused_producers(std::move(released));
}

void Rewriter::erase_unused_producers(std::vector<ir::Value*> released) {
  for (ir::Value* value : released) {
    ir::Node* producer = value->producer;
    if (producer == nullptr || !is_alive(producer)) continue;
    const bool is_unused_node =
        std::all_of(producer->outputs.begin(), producer->outputs.end(),
                    [&](const ir::Value* v) { return v == nullptr || is_unused(v); });
    if (is_unused_node) erase(*producer);
  }
}

void Rewriter::splice(ir::Node& where, ir::Region& body) {
  const Place place = places_.at(&where);
  for (auto it = body.nodes.begin(); it != body.nodes.end(); ++it)
    places_[&*it].region = place.region;
  place.region->nodes.splice(place.at, body.nodes);
}

bool Rewriter::sweep() {
  bool changed = false;
  std::vector<ir::Node*> all = nodes();
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    ir::Node* node = *it;
    if (!is_alive(node)) continue;
    if (std::all_of(node->outputs.begin(), node->outputs.end(),
                    [&](const ir::Value* v) { return v == nullptr || is_unused(v); })) {
      erase(*node);
      changed = true;
    }
  }
  return changed;
}

}  // namespace penstock::passes
