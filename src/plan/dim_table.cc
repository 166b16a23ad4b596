// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/dim_table.h"

#include <algorithm>
#include <array>

#include "base/wrapping.h"

namespace penstock::plan {
namespace {

constexpr size_t kStackDepth = 64;

}  // namespace

int DimTable::symbol(std::string_view name) {
  auto [it, inserted] = by_name_.emplace(std::string(name), static_cast<int>(symbols_.size()));
  if (inserted) symbols_.emplace_back(name);
  return it->second;
}

void DimTable::compile(const ir::Dim& dim) {
  code_.push_back({Code::kConstant, dim.is_constant() ? dim.constant() : 0});
  if (dim.is_constant()) return;
  // The constant, then each term added to it.
  code_.back().operand = dim.constant();
  for (const ir::DimTerm& term : dim.terms()) {
    code_.push_back({Code::kConstant, term.coefficient});
    for (const auto& atom : term.atoms) {
      switch (atom->kind) {
        case ir::DimAtom::Kind::kSymbol:
          code_.push_back({Code::kSymbol, symbol(atom->text)});
          break;
        default: {
          compile(atom->args[0]);
          compile(atom->args[1]);
          constexpr std::array kCodes = {Code::kSymbol, Code::kFloorDiv, Code::kMod,
                                         Code::kMin,    Code::kMax,      Code::kBroadcast};
          code_.push_back({kCodes[static_cast<size_t>(atom->kind)], 0});
        }
      }
      code_.push_back({Code::kMul, 0});
    }
    code_.push_back({Code::kAdd, 0});
  }
}

int DimTable::add(const ir::Dim& dim) {
  auto [it, inserted] = by_text_.emplace(dim.to_string(), static_cast<int>(dims_.size()));
  if (!inserted) return it->second;
  Compiled compiled;
  compiled.is_constant = dim.is_constant();
  compiled.constant = dim.is_constant() ? dim.constant() : 0;
  if (!dim.symbol_name().empty()) compiled.bare = symbol(dim.symbol_name());
  compiled.begin = static_cast<int>(code_.size());
  compile(dim);
  compiled.end = static_cast<int>(code_.size());
  dims_.push_back(compiled);
  return it->second;
}

int64_t DimTable::evaluate(int dim, std::span<const int64_t> symbols) const {
  const Compiled& compiled = dims_[dim];
  if (compiled.is_constant) return compiled.constant;
  if (compiled.bare >= 0) return symbols[compiled.bare];
  std::array<int64_t, kStackDepth> stack;
  size_t top = 0;
  for (int i = compiled.begin; i < compiled.end; ++i) {
    const Instruction& instruction = code_[i];
    if (instruction.code == Code::kConstant || instruction.code == Code::kSymbol) {
      if (top == kStackDepth) return kUnknown;  // deeper than any extent that a model writes
      stack[top] =
          instruction.code == Code::kConstant ? instruction.operand : symbols[instruction.operand];
      if (instruction.code == Code::kSymbol && stack[top] == kUnknown) return kUnknown;
      ++top;
      continue;
    }
    const int64_t b = stack[--top];
    int64_t& a = stack[top - 1];
    switch (instruction.code) {
      case Code::kAdd: a = wrapping_add(a, b); break;
      case Code::kMul: a = wrapping_multiply(a, b); break;
      case Code::kFloorDiv: a = floor_divide(a, b); break;
      case Code::kMod: a = floor_modulo(a, b); break;
      case Code::kMin: a = std::min(a, b); break;
      case Code::kMax: a = std::max(a, b); break;
      default:
        if (a != 1 && b != 1 && a != b) return kUnknown;  // no extent fits both
        a = a == 1 ? b : a;
        break;
    }
  }
  return stack[0];
}

}  // namespace penstock::plan
