// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::ir {

using penstock::element_count;  // the overloads for symbolic shapes below join these
using penstock::to_string;

class Dim;

// An irreducible factor of a symbolic extent: a named symbol, or a non-linear function of two
// extents.
struct DimAtom {
  enum class Kind : uint8_t { kSymbol, kFloorDiv, kMod, kMin, kMax, kBroadcast };
  Kind kind = Kind::kSymbol;
  std::string text;       // canonical: two atoms are equal when their texts are
  std::vector<Dim> args;  // two for every kind but kSymbol
};

// coefficient * product of atoms; the atoms are sorted by text, repeated for powers.
struct DimTerm {
  std::vector<std::shared_ptr<const DimAtom>> atoms;
  int64_t coefficient = 0;
};

// An extent known at build time, or an expression of symbols whose values come with the inputs
// ("batch") or out of a run ("u3": an extent that depends on data). Kept in a canonical polynomial
// form, so that batch*12*64 / 64 == batch*12 holds by comparison. Immutable and cheap to copy.
class Dim {
 public:
  Dim(int64_t value = 0) : constant_(value) {}  // NOLINT(runtime/explicit)
  static Dim symbol(std::string_view name);
  // "batch*12 + 1", "floordiv(seq, 2)": what to_string writes.
  static Result<Dim> parse(std::string_view text);

  bool is_constant() const { return terms_ == nullptr; }
  int64_t constant() const { return constant_; }  // only where is_constant()
  bool is_constant(int64_t value) const { return is_constant() && constant_ == value; }
  // The symbol's name when this is one bare symbol, else empty.
  std::string_view symbol_name() const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b);
  // Rounds towards minus infinity; exact division of polynomials stays polynomial. b must not be 0.
  static Dim floor_div(const Dim& a, const Dim& b);
  static Dim ceil_div(const Dim& a, const Dim& b);
  static Dim mod(const Dim& a, const Dim& b);
  static Dim min(const Dim& a, const Dim& b);
  static Dim max(const Dim& a, const Dim& b);
  // The extent two broadcast extents give: b where a is 1, else a.
  static Dim broadcast(const Dim& a, const Dim& b);

  // True only if provable from symbols being non-negative (extents are).
  bool is_provably_positive() const;
  bool is_provably_non_negative() const;

  // Value under a valuation of the symbols.
  int64_t evaluate(const std::function<int64_t(std::string_view)>& value_of) const;
  // This extent with each symbol replaced by what `replacement` gives for its name.
  Dim substitute(const std::function<Dim(std::string_view)>& replacement) const;
  void collect_symbols(std::vector<std::string>& names) const;
  std::string to_string() const;

  // The polynomial: constant() plus these terms. For evaluators and serialisers.
  const std::vector<DimTerm>& terms() const;

 private:
  static Dim from_terms(int64_t constant, std::vector<DimTerm> terms);
  static Dim from_atom(DimAtom::Kind kind, const Dim& a, const Dim& b);

  int64_t constant_ = 0;
  std::shared_ptr<const std::vector<DimTerm>> terms_;
};

using SymbolicShape = std::vector<Dim>;

// "[batch, 3, 224, 224]"
std::string to_string(const SymbolicShape& shape);
bool is_constant(const SymbolicShape& shape);
Dim element_count(const SymbolicShape& shape);

}  // namespace penstock::ir
