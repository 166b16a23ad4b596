// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/attribute.h"

#include <algorithm>

namespace penstock::importer {
namespace {

using Type = onnx::AttributeProto;

struct Kind {
  char letter;
  Type::AttributeType type;
  std::string_view name;
};

constexpr Kind kKinds[] = {
    {'i', Type::INT, "an integer"},          {'f', Type::FLOAT, "a float"},
    {'s', Type::STRING, "a string"},         {'I', Type::INTS, "a list of integers"},
    {'F', Type::FLOATS, "a list of floats"}, {'S', Type::STRINGS, "a list of strings"},
    {'t', Type::TENSOR, "a tensor"},         {'g', Type::GRAPH, "a graph"},
    {'p', Type::TYPE_PROTO, "a type"},
};

struct Spec {
  const Kind* kind = nullptr;  // null where the operator has no such attribute
  bool is_ignored = false;
};

// Finds "name:kind" in a rule's list.
Spec find_spec(std::string_view specs, std::string_view name) {
  while (!specs.empty()) {
    std::string_view spec = specs.substr(0, specs.find(' '));
    specs.remove_prefix(std::min(specs.size(), spec.size() + 1));
    const bool is_ignored = spec.front() == '~';
    if (is_ignored) spec.remove_prefix(1);
    if (spec.substr(0, spec.size() - 2) != name) continue;
    for (const Kind& kind : kKinds) {
      if (kind.letter == spec.back()) return {&kind, is_ignored};
    }
  }
  return {};
}

// The kind of an attribute that no list describes; null for tensors, graphs and rarer kinds.
const Kind* plain_kind_of(const onnx::AttributeProto& attribute) {
  for (const Kind& kind : kKinds) {
    const bool is_plain = std::string_view("ifsIFS").find(kind.letter) != std::string_view::npos;
    if (is_plain && kind.type == attribute.type()) return &kind;
  }
  return nullptr;
}

// Old writers leave the type out: then the field that is filled tells.
bool has_type(const onnx::AttributeProto& attribute, Type::AttributeType type) {
  if (attribute.type() != Type::UNDEFINED) return attribute.type() == type;
  switch (type) {
    case Type::INT: return attribute.has_i();
    case Type::FLOAT: return attribute.has_f();
    case Type::STRING: return attribute.has_s();
    case Type::TENSOR: return attribute.has_t();
    case Type::GRAPH: return attribute.has_g();
    case Type::TYPE_PROTO: return attribute.has_tp();
    default: return true;  // an empty list is no field at all
  }
}

void store(const std::string& name, const onnx::AttributeProto& value, Type::AttributeType type,
           NodeAttributes& into) {
  switch (type) {
    case Type::INT: return into.plain.set(name, static_cast<int64_t>(value.i()));
    case Type::FLOAT: return into.plain.set(name, value.f());
    case Type::STRING: return into.plain.set(name, value.s());
    case Type::INTS:
      return into.plain.set(name, std::vector<int64_t>(value.ints().begin(), value.ints().end()));
    case Type::FLOATS:
      return into.plain.set(name, std::vector<float>(value.floats().begin(), value.floats().end()));
    case Type::STRINGS:
      return into.plain.set(
          name, std::vector<std::string>(value.strings().begin(), value.strings().end()));
    case Type::TYPE_PROTO: into.types.emplace(name, &value.tp()); return;
    case Type::TENSOR: into.tensors.emplace(name, &value.t()); return;
    default: into.graphs.emplace(name, &value.g());
  }
}

}  // namespace

const onnx::AttributeProto* resolve(const onnx::AttributeProto& attribute,
                                    const AttributeBindings& bindings) {
  if (attribute.ref_attr_name().empty()) return &attribute;
  const auto bound = bindings.find(attribute.ref_attr_name());
  return bound == bindings.end() ? nullptr : bound->second;
}

Result<NodeAttributes> read_attributes(const onnx::NodeProto& node,
                                       const AttributeBindings& bindings, std::string_view specs) {
  NodeAttributes result;
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    const bool takes_any = specs == "*";
    const Spec spec =
        takes_any ? Spec{plain_kind_of(attribute)} : find_spec(specs, attribute.name());
    if (spec.kind == nullptr && takes_any) {
      return Status(StatusCode::kUnsupported,
                    "attribute '" + attribute.name() +
                        "' of a custom operator must be an integer, a float, a string or a list of "
                        "them: give a tensor as an input");
    }
    if (spec.kind == nullptr) {
      return Status(StatusCode::kInvalidModel,
                    "it has no attribute '" + attribute.name() + "' in this opset");
    }
    const onnx::AttributeProto* value = resolve(attribute, bindings);
    if (value == nullptr || spec.is_ignored) continue;
    if (!has_type(*value, spec.kind->type)) {
      return Status(StatusCode::kInvalidModel,
                    "attribute '" + attribute.name() + "' must be " + std::string(spec.kind->name));
    }
    store(attribute.name(), *value, spec.kind->type, result);
  }
  return result;
}

}  // namespace penstock::importer
