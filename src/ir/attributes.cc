// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/attributes.h"

#include <fmt/format.h>

#include "ir/text.h"

namespace penstock::ir {
namespace {

template <typename T>
const T* find(const std::map<std::string, Attribute, std::less<>>& map, std::string_view name) {
  auto it = map.find(name);
  return it == map.end() ? nullptr : std::get_if<T>(&it->second);
}

// Enough digits that reading the text gives the same float back.
std::string float_text(float value) { return fmt::format("{}f", value); }

template <typename T, typename F>
std::string list_text(const std::vector<T>& items, char open, char close, F&& text_of) {
  std::string out(1, open);
  for (size_t i = 0; i < items.size(); ++i) {
    if (i != 0) out += ", ";
    out += text_of(items[i]);
  }
  return out + close;
}

}  // namespace

void Attributes::erase(std::string_view name) {
  auto it = map_.find(name);
  if (it != map_.end()) map_.erase(it);
}

int64_t Attributes::get_int(std::string_view name, int64_t otherwise) const {
  const int64_t* value = find<int64_t>(map_, name);
  return value == nullptr ? otherwise : *value;
}

float Attributes::get_float(std::string_view name, float otherwise) const {
  const float* value = find<float>(map_, name);
  return value == nullptr ? otherwise : *value;
}

std::string Attributes::get_string(std::string_view name, std::string_view otherwise) const {
  const std::string* value = find<std::string>(map_, name);
  return value == nullptr ? std::string(otherwise) : *value;
}

std::vector<int64_t> Attributes::get_ints(std::string_view name,
                                          std::vector<int64_t> otherwise) const {
  const auto* value = find<std::vector<int64_t>>(map_, name);
  return value == nullptr ? std::move(otherwise) : *value;
}

std::vector<float> Attributes::get_floats(std::string_view name) const {
  const auto* value = find<std::vector<float>>(map_, name);
  return value == nullptr ? std::vector<float>() : *value;
}

SymbolicShape Attributes::get_dims(std::string_view name) const {
  if (const auto* dims = find<SymbolicShape>(map_, name)) return *dims;
  SymbolicShape shape;
  for (int64_t value : get_ints(name)) shape.emplace_back(value);
  return shape;
}

Attributes Attributes::resolved(const std::function<int64_t(std::string_view)>& value_of) const {
  Attributes result = *this;
  for (auto& [name, value] : result.map_) {
    if (const auto* dims = std::get_if<SymbolicShape>(&value)) {
      std::vector<int64_t> integers;
      for (const Dim& d : *dims) integers.push_back(d.evaluate(value_of));
      value = std::move(integers);
    }
  }
  return result;
}

std::string to_string(const Attribute& value) {
  struct Visitor {
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(float v) const { return float_text(v); }
    std::string operator()(const std::string& v) const { return quoted_text(v); }
    std::string operator()(const std::vector<int64_t>& v) const {
      return list_text(v, '[', ']', [](int64_t x) { return std::to_string(x); });
    }
    std::string operator()(const std::vector<float>& v) const {
      return list_text(v, '[', ']', float_text);
    }
    std::string operator()(const std::vector<std::string>& v) const {
      return list_text(v, '[', ']', [](const std::string& x) { return quoted_text(x); });
    }
    std::string operator()(const SymbolicShape& v) const {
      return list_text(v, '{', '}', [](const Dim& d) { return d.to_string(); });
    }
  };
  return std::visit(Visitor{}, value);
}

std::string to_string(const Attributes& attributes) {
  if (attributes.all().empty()) return "";
  std::string text = "{";
  for (const auto& [name, value] : attributes.all()) {
    if (text.size() > 1) text += ", ";
    text += name_text(name) + " = " + to_string(value);
  }
  return text + "}";
}

}  // namespace penstock::ir
