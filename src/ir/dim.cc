// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/dim.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/wrapping.h"

namespace penstock::ir {
namespace {

using AtomRef = std::shared_ptr<const DimAtom>;

constexpr std::pair<DimAtom::Kind, std::string_view> kFunctionNames[] = {
    {DimAtom::Kind::kFloorDiv, "floordiv"}, {DimAtom::Kind::kMod, "mod"},
    {DimAtom::Kind::kMin, "min"},           {DimAtom::Kind::kMax, "max"},
    {DimAtom::Kind::kBroadcast, "bcast"},
};

std::string_view function_name(DimAtom::Kind kind) {
  for (const auto& [k, name] : kFunctionNames) {
    if (k == kind) return name;
  }
  return "";
}

int64_t apply(DimAtom::Kind kind, int64_t a, int64_t b) {
  switch (kind) {
    case DimAtom::Kind::kFloorDiv: return floor_divide(a, b);
    case DimAtom::Kind::kMod: return floor_modulo(a, b);
    case DimAtom::Kind::kMin: return std::min(a, b);
    case DimAtom::Kind::kMax: return std::max(a, b);
    case DimAtom::Kind::kBroadcast: return a == 1 ? b : a;
    case DimAtom::Kind::kSymbol: break;
  }
  return 0;
}

std::string term_text(const DimTerm& term) {
  std::string text;
  for (const AtomRef& atom : term.atoms) {
    if (!text.empty()) text += '*';
    text += atom->text;
  }
  return text;
}

bool same_atoms(const DimTerm& a, const DimTerm& b) {
  return std::equal(
      a.atoms.begin(), a.atoms.end(), b.atoms.begin(), b.atoms.end(),
      [](const AtomRef& x, const AtomRef& y) { return x == y || x->text == y->text; });
}

bool atoms_before(const DimTerm& a, const DimTerm& b) {
  return std::lexicographical_compare(
      a.atoms.begin(), a.atoms.end(), b.atoms.begin(), b.atoms.end(),
      [](const AtomRef& x, const AtomRef& y) { return x->text < y->text; });
}

// a / b where b divides a exactly as a monomial, else nothing.
std::optional<DimTerm> divide(const DimTerm& a, const DimTerm& b) {
  if (b.coefficient == 0 || floor_modulo(a.coefficient, b.coefficient) != 0) return std::nullopt;
  DimTerm q{a.atoms, floor_divide(a.coefficient, b.coefficient)};
  for (const AtomRef& atom : b.atoms) {
    auto it = std::find_if(q.atoms.begin(), q.atoms.end(),
                           [&](const AtomRef& x) { return x->text == atom->text; });
    if (it == q.atoms.end()) return std::nullopt;
    q.atoms.erase(it);
  }
  return q;
}

// Graded lexicographic order, in which the product of two polynomials begins with the product of
// their first terms: what long division needs.
bool divides_first(const DimTerm& a, const DimTerm& b) {
  if (a.atoms.size() != b.atoms.size()) return a.atoms.size() > b.atoms.size();
  return atoms_before(a, b);
}

std::vector<DimTerm> all_terms(const Dim& d, int64_t constant) {
  std::vector<DimTerm> terms = d.terms();
  if (constant != 0) terms.push_back({{}, constant});
  return terms;
}

// min(x, c) with a positive c.
bool is_capped(const Dim& d, const Dim& x) {
  if (d.terms().size() != 1) return false;
  const DimTerm& term = d.terms().front();
  if (term.coefficient != 1 || term.atoms.size() != 1) return false;
  const DimAtom& atom = *term.atoms.front();
  if (atom.kind != DimAtom::Kind::kMin) return false;
  return (atom.args[0] == x && atom.args[1].is_provably_positive()) ||
         (atom.args[1] == x && atom.args[0].is_provably_positive());
}

}  // namespace

const std::vector<DimTerm>& Dim::terms() const {
  static const std::vector<DimTerm> kNone;
  return terms_ == nullptr ? kNone : *terms_;
}

Dim Dim::from_terms(int64_t constant, std::vector<DimTerm> terms) {
  std::sort(terms.begin(), terms.end(), atoms_before);
  std::vector<DimTerm> merged;
  for (DimTerm& term : terms) {
    if (term.atoms.empty()) {
      constant = wrapping_add(constant, term.coefficient);
    } else if (!merged.empty() && same_atoms(merged.back(), term)) {
      merged.back().coefficient = wrapping_add(merged.back().coefficient, term.coefficient);
    } else {
      merged.push_back(std::move(term));
    }
  }
  std::erase_if(merged, [](const DimTerm& t) { return t.coefficient == 0; });
  Dim result(constant);
  if (!merged.empty()) {
    result.terms_ = std::make_shared<const std::vector<DimTerm>>(std::move(merged));
  }
  return result;
}

Dim Dim::from_atom(DimAtom::Kind kind, const Dim& a, const Dim& b) {
  auto atom = std::make_shared<DimAtom>();
  atom->kind = kind;
  atom->args = {a, b};
  atom->text = std::string(function_name(kind)) + "(" + a.to_string() + ", " + b.to_string() + ")";
  return from_terms(0, {DimTerm{{std::move(atom)}, 1}});
}

Dim Dim::symbol(std::string_view name) {
  auto atom = std::make_shared<DimAtom>();
  atom->text = name;
  return from_terms(0, {DimTerm{{std::move(atom)}, 1}});
}

std::string_view Dim::symbol_name() const {
  if (terms_ == nullptr || constant_ != 0 || terms_->size() != 1) return {};
  const DimTerm& term = terms_->front();
  if (term.coefficient != 1 || term.atoms.size() != 1) return {};
  const DimAtom& atom = *term.atoms.front();
  return atom.kind == DimAtom::Kind::kSymbol ? std::string_view(atom.text) : std::string_view();
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return wrapping_add(a.constant_, b.constant_);
  std::vector<DimTerm> terms = a.terms();
  terms.insert(terms.end(), b.terms().begin(), b.terms().end());
  return Dim::from_terms(wrapping_add(a.constant_, b.constant_), std::move(terms));
}

Dim operator-(const Dim& a, const Dim& b) { return a + b * Dim(-1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return wrapping_multiply(a.constant_, b.constant_);
  std::vector<DimTerm> left = a.terms();
  std::vector<DimTerm> right = b.terms();
  if (a.constant_ != 0) left.push_back({{}, a.constant_});
  if (b.constant_ != 0) right.push_back({{}, b.constant_});
  std::vector<DimTerm> product;
  for (const DimTerm& x : left) {
    for (const DimTerm& y : right) {
      DimTerm term{x.atoms, wrapping_multiply(x.coefficient, y.coefficient)};
      term.atoms.insert(term.atoms.end(), y.atoms.begin(), y.atoms.end());
      std::sort(term.atoms.begin(), term.atoms.end(),
                [](const AtomRef& p, const AtomRef& q) { return p->text < q->text; });
      product.push_back(std::move(term));
    }
  }
  return Dim::from_terms(0, std::move(product));
}

bool operator==(const Dim& a, const Dim& b) {
  if (a.constant_ != b.constant_) return false;
  if (a.terms_ == b.terms_) return true;
  const auto& x = a.terms();
  const auto& y = b.terms();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const DimTerm& p, const DimTerm& q) {
    return p.coefficient == q.coefficient && same_atoms(p, q);
  });
}

Dim Dim::floor_div(const Dim& a, const Dim& b) {
  if (b.is_constant(1)) return a;
  if (a.is_constant() && b.is_constant())
    return apply(DimAtom::Kind::kFloorDiv, a.constant_, b.constant_);
  if (a == b) return 1;
  // Long division of polynomials: where it leaves no rest, the quotient is one.
  const std::vector<DimTerm> divisor = all_terms(b, b.constant_);
  const DimTerm& first = *std::min_element(divisor.begin(), divisor.end(), divides_first);
  Dim rest = a;
  std::vector<DimTerm> quotient;
  while (!rest.is_constant(0)) {
    const std::vector<DimTerm> terms = all_terms(rest, rest.constant_);
    std::optional<DimTerm> q =
        divide(*std::min_element(terms.begin(), terms.end(), divides_first), first);
    if (!q) break;
    rest = rest - from_terms(0, {*q}) * b;
    quotient.push_back(std::move(*q));
  }
  if (rest.is_constant(0)) return from_terms(0, std::move(quotient));
  if (rest.is_constant() && b.is_constant() && b.constant_ != 0) {
    return from_terms(apply(DimAtom::Kind::kFloorDiv, rest.constant_, b.constant_),
                      std::move(quotient));
  }
  return from_atom(DimAtom::Kind::kFloorDiv, a, b);
}

Dim Dim::ceil_div(const Dim& a, const Dim& b) {
  const Dim quotient = floor_div(a, b);
  if (quotient * b == a) return quotient;
  // Of the two forms, the one that shows that it is not negative.
  return b.is_provably_positive() ? floor_div(a + b - Dim(1), b)
                                  : Dim(0) - floor_div(Dim(0) - a, b);
}

Dim Dim::mod(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant())
    return apply(DimAtom::Kind::kMod, a.constant_, b.constant_);
  const Dim quotient = floor_div(a, b);
  if (a == quotient * b) return 0;
  return from_atom(DimAtom::Kind::kMod, a, b);
}

Dim Dim::min(const Dim& a, const Dim& b) {
  // Not by their difference, which may be too large for an int64.
  if (a.is_constant() && b.is_constant()) return std::min(a.constant_, b.constant_);
  if ((b - a).is_provably_non_negative()) return a;
  if ((a - b).is_provably_non_negative()) return b;
  return from_atom(DimAtom::Kind::kMin, a, b);
}

Dim Dim::max(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) return std::max(a.constant_, b.constant_);
  if ((a - b).is_provably_non_negative()) return a;
  if ((b - a).is_provably_non_negative()) return b;
  return from_atom(DimAtom::Kind::kMax, a, b);
}

Dim Dim::broadcast(const Dim& a, const Dim& b) {
  if (a == b || b.is_constant(1)) return a;
  if (a.is_constant(1)) return b;
  // A constant other than 1 decides: the other side is 1 or the same, and the kernel checks which.
  if (a.is_constant()) return a;
  if (b.is_constant()) return b;
  // min(a, c) is a or does not broadcast with it: a table's slice up to a length, c rows at most.
  if (is_capped(b, a)) return a;
  if (is_capped(a, b)) return b;
  return from_atom(DimAtom::Kind::kBroadcast, a, b);
}

bool Dim::is_provably_non_negative() const {
  if (constant_ < 0) return false;
  for (const DimTerm& term : terms()) {
    if (term.coefficient < 0) return false;
    for (const AtomRef& atom : term.atoms) {
      if (atom->kind == DimAtom::Kind::kSymbol) continue;
      const auto proven = [](const Dim& d) { return d.is_provably_non_negative(); };
      const auto& args = atom->args;
      const bool one_is_enough = atom->kind == DimAtom::Kind::kMax;
      if (!(one_is_enough ? std::any_of(args.begin(), args.end(), proven)
                          : std::all_of(args.begin(), args.end(), proven))) {
        return false;
      }
    }
  }
  return true;
}

bool Dim::is_provably_positive() const { return (*this - Dim(1)).is_provably_non_negative(); }

int64_t Dim::evaluate(const std::function<int64_t(std::string_view)>& value_of) const {
  int64_t sum = constant_;
  for (const DimTerm& term : terms()) {
    int64_t product = term.coefficient;
    for (const AtomRef& atom : term.atoms) {
      const int64_t factor = atom->kind == DimAtom::Kind::kSymbol
                                 ? value_of(atom->text)
                                 : apply(atom->kind, atom->args[0].evaluate(value_of),
                                         atom->args[1].evaluate(value_of));
      product = wrapping_multiply(product, factor);
    }
    sum = wrapping_add(sum, product);
  }
  return sum;
}

Dim Dim::substitute(const std::function<Dim(std::string_view)>& replacement) const {
  Dim sum(constant_);
  for (const DimTerm& term : terms()) {
    Dim product(term.coefficient);
    for (const AtomRef& atom : term.atoms) {
      Dim factor;
      if (atom->kind == DimAtom::Kind::kSymbol) {
        factor = replacement(atom->text);
      } else {
        const Dim a = atom->args[0].substitute(replacement);
        const Dim b = atom->args[1].substitute(replacement);
        switch (atom->kind) {
          case DimAtom::Kind::kFloorDiv: factor = floor_div(a, b); break;
          case DimAtom::Kind::kMod: factor = mod(a, b); break;
          case DimAtom::Kind::kMin: factor = min(a, b); break;
          case DimAtom::Kind::kMax: factor = max(a, b); break;
          default: factor = broadcast(a, b); break;
        }
      }
      product = product * factor;
    }
    sum = sum + product;
  }
  return sum;
}

void Dim::collect_symbols(std::vector<std::string>& names) const {
  for (const DimTerm& term : terms()) {
    for (const AtomRef& atom : term.atoms) {
      if (atom->kind == DimAtom::Kind::kSymbol) {
        if (std::find(names.begin(), names.end(), atom->text) == names.end()) {
          names.push_back(atom->text);
        }
      } else {
        for (const Dim& arg : atom->args) arg.collect_symbols(names);
      }
    }
  }
}

std::string Dim::to_string() const {
  std::string text;
  for (const DimTerm& term : terms()) {
    const bool negative = term.coefficient < 0;
    if (!text.empty()) {
      text += negative ? " - " : " + ";
    } else if (negative) {
      text += "-";
    }
    const int64_t magnitude = negative ? -term.coefficient : term.coefficient;
    if (magnitude != 1) text += std::to_string(magnitude) + "*";
    text += term_text(term);
  }
  if (text.empty()) return std::to_string(constant_);
  if (constant_ > 0) text += " + " + std::to_string(constant_);
  if (constant_ < 0) text += " - " + std::to_string(-constant_);
  return text;
}

std::string to_string(const SymbolicShape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += shape[i].to_string();
  }
  return text + "]";
}

bool is_constant(const SymbolicShape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d.is_constant(); });
}

Dim element_count(const SymbolicShape& shape) {
  Dim count = 1;
  for (const Dim& d : shape) count = count * d;
  return count;
}

}  // namespace penstock::ir
