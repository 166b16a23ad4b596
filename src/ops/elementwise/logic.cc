// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/binary_kernel.h"
#include "ops/elementwise/elementwise.h"

namespace penstock::ops {
namespace {

using ir::Dim;

// Truth of a statement about two extents, or nothing where it depends on symbols.
using Decision = std::optional<bool> (*)(const Dim& a, const Dim& b);

std::optional<bool> equal_dims(const Dim& a, const Dim& b) {
  if (a == b) return true;
  const Dim difference = a - b;
  if (difference.is_constant()) return difference.constant() == 0;
  if (difference.is_provably_positive() || (b - a).is_provably_positive()) return false;
  return std::nullopt;
}

std::optional<bool> less_dims(const Dim& a, const Dim& b) {
  if ((b - a).is_provably_positive()) return true;
  if ((a - b).is_provably_non_negative()) return false;
  return std::nullopt;
}

std::optional<bool> negated(std::optional<bool> decision) {
  if (decision) decision = !*decision;
  return decision;
}
std::optional<bool> greater_dims(const Dim& a, const Dim& b) { return less_dims(b, a); }
std::optional<bool> greater_equal_dims(const Dim& a, const Dim& b) {
  return negated(less_dims(a, b));
}
std::optional<bool> less_equal_dims(const Dim& a, const Dim& b) { return negated(less_dims(b, a)); }

// Elements of bool tensors are 0 and 1. One side may decide alone.
std::optional<bool> and_dims(const Dim& a, const Dim& b) {
  if (a.is_constant(0) || b.is_constant(0)) return false;
  if (a.is_constant() && b.is_constant()) return true;
  return std::nullopt;
}
std::optional<bool> or_dims(const Dim& a, const Dim& b) {
  if ((a.is_constant() && a != 0) || (b.is_constant() && b != 0)) return true;
  if (a.is_constant() && b.is_constant()) return false;
  return std::nullopt;
}
std::optional<bool> xor_dims(const Dim& a, const Dim& b) {
  if (!a.is_constant() || !b.is_constant()) return std::nullopt;
  return (a.constant() != 0) != (b.constant() != 0);
}

template <Elements kSet, Decision kDecide>
Status infer_decision(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_binary<kSet>(context, DataType::kBool));
  if (is_floating(context.dtype(0))) return Status::ok();
  propagate_contents(context, {0, 1}, [](const auto& x) -> std::optional<Dim> {
    const std::optional<bool> decision = kDecide(x[0], x[1]);
    if (!decision) return std::nullopt;
    return Dim(*decision ? 1 : 0);
  });
  return Status::ok();
}

template <Elements kSet, auto kFunction, Decision kDecide>
constexpr OpDefinition decision(std::string_view name) {
  return binary<kSet, kFunction>(name, infer_decision<kSet, kDecide>);
}

constexpr OpDefinition kOps[] = {
    decision<Elements::kAny, [](auto a, auto b) { return a == b; }, equal_dims>("Equal"),
    decision<Elements::kNumber, [](auto a, auto b) { return a < b; }, less_dims>("Less"),
    decision<Elements::kNumber, [](auto a, auto b) { return (a > b); }, greater_dims>("Greater"),
    decision<Elements::kNumber, [](auto a, auto b) { return a <= b; }, less_equal_dims>(
        "LessOrEqual"),
    decision<Elements::kNumber, [](auto a, auto b) { return a >= b; }, greater_equal_dims>(
        "GreaterOrEqual"),
    decision<Elements::kBool, [](auto a, auto b) { return a && b; }, and_dims>("And"),
    decision<Elements::kBool, [](auto a, auto b) { return a || b; }, or_dims>("Or"),
    decision<Elements::kBool, [](auto a, auto b) { return a != b; }, xor_dims>("Xor"),
};

}  // namespace

std::span<const OpDefinition> logic_ops() { return kOps; }

}  // namespace penstock::ops
