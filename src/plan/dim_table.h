// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/dim.h"

namespace penstock::plan {

// Extents compiled for evaluation at run time: symbols become numbers, expressions postfix code.
class DimTable {
 public:
  // Index of the symbol, new or known.
  int symbol(std::string_view name);
  // Index of the compiled extent.
  int add(const ir::Dim& dim);

  size_t symbol_count() const { return symbols_.size(); }
  const std::string& symbol_name(int symbol) const { return symbols_[symbol]; }
  // The symbol when the extent is one bare symbol, else -1.
  int bare_symbol(int dim) const { return dims_[dim].bare; }

  static constexpr int64_t kUnknown = -1;
  // Value under `symbols`; kUnknown where a symbol it needs has that value, or the result is
  // negative.
  int64_t evaluate(int dim, std::span<const int64_t> symbols) const;

 private:
  enum class Code : uint8_t {
    kConstant,
    kSymbol,
    kAdd,
    kMul,
    kFloorDiv,
    kMod,
    kMin,
    kMax,
    kBroadcast
  };
  struct Instruction {
    Code code;
    int64_t operand;
  };
  struct Compiled {
    int64_t constant = 0;
    bool is_constant = false;
    int bare = -1;
    int begin = 0;
    int end = 0;
  };

  void compile(const ir::Dim& dim);

  std::vector<std::string> symbols_;
  std::unordered_map<std::string, int> by_name_;
  std::vector<Compiled> dims_;
  std::unordered_map<std::string, int> by_text_;
  std::vector<Instruction> code_;
};

}  // namespace penstock::plan
