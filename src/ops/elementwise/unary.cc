// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/unary_kernel.h"

namespace penstock::ops {
namespace {

Status infer_neg(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_unary<Elements::kSigned>(context));
  if (holds_extents(context.dtype(0))) {
    propagate_contents(context, {0}, [](const auto& x) { return ir::Dim(0) - x[0]; });
  }
  return Status::ok();
}

Status infer_abs(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_unary<Elements::kNumber>(context));
  if (!holds_extents(context.dtype(0))) return Status::ok();
  propagate_contents(context, {0}, [](const auto& x) -> std::optional<ir::Dim> {
    const ir::Dim negated = ir::Dim(0) - x[0];
    if (x[0].is_provably_non_negative()) return x[0];
    if (negated.is_provably_non_negative()) return negated;
    return std::nullopt;
  });
  return Status::ok();
}

Status infer_not(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_unary<Elements::kBool>(context));
  propagate_contents(context, {0}, [](const auto& x) -> std::optional<ir::Dim> {
    if (!x[0].is_constant()) return std::nullopt;
    return ir::Dim(x[0].constant() == 0 ? 1 : 0);
  });
  return Status::ok();
}

// Floating elements in, bool out.
Status infer_predicate(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_elements<Elements::kFloating>(context.dtype(0)));
  context.set_output(0, DataType::kBool, context.shape(0));
  return Status::ok();
}

constexpr OpDefinition with_rule(OpDefinition op, Status (*infer)(InferContext&)) {
  op.infer = infer;
  op.in_place = op.in_place && infer != infer_predicate;
  return op;
}

template <auto kFunction>
constexpr OpDefinition floating(std::string_view name) {
  return unary<Elements::kFloating, kFunction>(name);
}

template <typename T>
T absolute(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
  return x < T(0) ? negate(x) : x;
}

template <typename T>
T sign(T x) {
  if (x > T(0)) return T(1);
  if constexpr (std::is_signed_v<T>) {
    if (x < T(0)) return T(-1);
  }
  return x;  // zeros and NaN
}

template <typename T>
bool is_infinite(T x, bool positive, bool negative) {
  return std::isinf(x) && (x > 0 ? positive : negative);
}

constexpr OpDefinition kOps[] = {
    with_rule(unary<Elements::kNumber, [](auto x) { return absolute(x); }>("Abs"), infer_abs),
    with_rule(unary<Elements::kSigned, [](auto x) { return negate(x); }>("Neg"), infer_neg),
    unary<Elements::kNumber, [](auto x) { return sign(x); }>("Sign"),
    floating<[](auto x) { return std::exp(x); }>("Exp"),
    floating<[](auto x) { return std::log(x); }>("Log"),
    floating<[](auto x) { return std::sqrt(x); }>("Sqrt"),
    floating<[](auto x) { return 1 / x; }>("Reciprocal"),
    floating<[](auto x) { return std::floor(x); }>("Floor"),
    floating<[](auto x) { return std::ceil(x); }>("Ceil"),
    floating<[](auto x) { return std::nearbyint(x); }>("Round"),  // half to even
    floating<[](auto x) { return std::sin(x); }>("Sin"),
    floating<[](auto x) { return std::cos(x); }>("Cos"),
    floating<[](auto x) { return std::tan(x); }>("Tan"),
    floating<[](auto x) { return std::asin(x); }>("Asin"),
    floating<[](auto x) { return std::acos(x); }>("Acos"),
    floating<[](auto x) { return std::atan(x); }>("Atan"),
    floating<[](auto x) { return std::sinh(x); }>("Sinh"),
    floating<[](auto x) { return std::cosh(x); }>("Cosh"),
    floating<[](auto x) { return std::tanh(x); }>("Tanh"),
    floating<[](auto x) { return std::asinh(x); }>("Asinh"),
    floating<[](auto x) { return std::acosh(x); }>("Acosh"),
    floating<[](auto x) { return std::atanh(x); }>("Atanh"),
    floating<[](auto x) { return std::erf(x); }>("Erf"),
    with_rule(unary<Elements::kBool, [](auto x) { return !x; }>("Not"), infer_not),
    unary<Elements::kInteger, [](auto x) { return static_cast<decltype(x)>(~x); }>("BitwiseNot"),
    with_rule(floating<[](auto x) { return std::isnan(x); }>("IsNaN"), infer_predicate),
    with_rule(unary_with<Elements::kFloating,
                         [](const ir::Attributes& a) {
                           const bool positive = a.get_int("detect_positive", 1) != 0;
                           const bool negative = a.get_int("detect_negative", 1) != 0;
                           return [=](auto x) { return is_infinite(x, positive, negative); };
                         }>("IsInf"),
              infer_predicate),
};

}  // namespace

std::span<const OpDefinition> unary_ops() { return kOps; }

}  // namespace penstock::ops
