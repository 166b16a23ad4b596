// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "ir/graph.h"
#include "ir/text.h"

namespace penstock::ir {
namespace {

constexpr size_t kMostPrintedElements = 16;

std::string elements_text(const Constant& constant) {
  std::string text = "[";
  const auto separate = [&] { text += text.size() > 1 ? ", " : ""; };
  if (constant.dtype == DataType::kString) {
    for (const StringRef& x : constant.as<StringRef>()) {
      separate();
      text += quoted_text(x.view());
    }
  } else if (constant.dtype == DataType::kFloat64) {
    for (double x : constant.as<double>()) {
      separate();
      text += fmt::format("{}", x);
    }
  } else if (is_floating(constant.dtype)) {
    for (float x : to_floats(constant)) {
      separate();
      text += fmt::format("{}", x);
    }
  } else if (is_small(constant.dtype)) {
    for (uint8_t bits : constant.as<uint8_t>()) {
      separate();
      text += std::to_string(bits);
    }
  } else {
    for (int64_t x : to_int64s(constant)) {
      separate();
      text += std::to_string(x);
    }
  }
  return text + "]";
}

std::string constant_text(const Value& value) {
  const Constant& constant = *value.constant;
  const auto count = static_cast<size_t>(element_count(constant.shape));
  std::string text = "const " + type_text(value);
  if (count <= kMostPrintedElements) return text + elements_text(constant);
  if (constant.dtype == DataType::kString) {
    const std::string elements = elements_text(constant);
    return text + fmt::format("#{:016x}", XXH3_64bits(elements.data(), elements.size()));
  }
  return text + fmt::format("#{:016x}", XXH3_64bits(constant.data, constant.bytes));
}

std::string use_text(const Value* value) {
  if (value == nullptr) return "_";
  return value->is_constant() ? constant_text(*value) : "%" + name_text(value->name);
}

std::string list_text(const std::vector<Value*>& values) {
  std::string text;
  for (const Value* value : values) {
    if (!text.empty()) text += ", ";
    text += use_text(value);
  }
  return text;
}

std::string defined_text(const std::vector<Value*>& values) {
  std::string text;
  for (const Value* value : values) {
    if (!text.empty()) text += ", ";
    text += value == nullptr ? "_" : "%" + name_text(value->name) + " : " + type_text(*value);
  }
  return text;
}

void print_region(const Region& region, const std::string& indent, std::string& text) {
  for (const Node& node : region.nodes) {
    text +=
        indent + defined_text(node.outputs) + " = " + node.op + "(" + list_text(node.inputs) + ")";
    const std::string attributes = to_string(node.attributes);
    if (!attributes.empty()) text += " " + attributes;
    text += "\n";
    for (const auto& nested : node.regions) {
      text += indent + "  region(" + defined_text(nested->inputs) + ") {\n";
      print_region(*nested, indent + "    ", text);
      text += indent + "  }\n";
    }
  }
  text += indent + "return " + list_text(region.outputs) + "\n";
}

}  // namespace

std::string type_text(const Value& value) {
  const std::string name(to_string(value.dtype));
  return name + (value.element ? "<" + to_string(*value.element) + ">" : to_string(value.shape));
}

std::string quoted_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string name_text(std::string_view name) {
  const bool is_bare = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_bare_name_character(c);
  });
  return is_bare ? std::string(name) : quoted_text(name);
}

std::string to_text(const Graph& graph) {
  std::string text = "graph " + (graph.name.empty() ? std::string("main") : name_text(graph.name)) +
                     "(" + defined_text(graph.main.inputs) + ") {\n";
  print_region(graph.main, "  ", text);
  return text + "}\n";
}

}  // namespace penstock::ir
