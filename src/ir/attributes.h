// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/dim.h"

namespace penstock::ir {

// An operator's parameters. SymbolicShape holds parameters made of extents ("starts" of a Slice
// that depend on the batch); binding a step to shapes turns them into integers.
using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>,
                               std::vector<float>, std::vector<std::string>, SymbolicShape>;

// Sorted by name, so that printing and hashing are reproducible.
class Attributes {
 public:
  void set(std::string_view name, Attribute value) {
    map_.insert_or_assign(std::string(name), std::move(value));
  }
  void erase(std::string_view name);
  bool has(std::string_view name) const { return map_.find(name) != map_.end(); }

  // The attribute of that type, or the default where it is absent or of another type.
  int64_t get_int(std::string_view name, int64_t otherwise = 0) const;
  float get_float(std::string_view name, float otherwise = 0.0f) const;
  std::string get_string(std::string_view name, std::string_view otherwise = "") const;
  std::vector<int64_t> get_ints(std::string_view name, std::vector<int64_t> otherwise = {}) const;
  std::vector<float> get_floats(std::string_view name) const;
  // A SymbolicShape, or integers seen as one.
  SymbolicShape get_dims(std::string_view name) const;

  const std::map<std::string, Attribute, std::less<>>& all() const { return map_; }
  bool operator==(const Attributes& other) const { return map_ == other.map_; }
  // Every SymbolicShape evaluated to integers.
  Attributes resolved(const std::function<int64_t(std::string_view)>& value_of) const;

 private:
  std::map<std::string, Attribute, std::less<>> map_;
};

// The graph text's form of one attribute value: 3, 0.5f, "same", [1, 2], [0.5f], ["a"], {batch, 3}.
std::string to_string(const Attribute& value);
// "{axis = 1, keepdims = 0}", or empty where there is none.
std::string to_string(const Attributes& attributes);

}  // namespace penstock::ir
