// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/elementwise/binary_kernel.h"
#include "ops/elementwise/elementwise.h"

namespace penstock::ops {
namespace {

using ir::Dim;
using MaybeDim = std::optional<Dim>;

// Where an integer result follows from two extents.
using DimRule = MaybeDim (*)(const Dim& a, const Dim& b);

MaybeDim divide_dims(const Dim& a, const Dim& b) {
  if (b.is_constant(0) || !b.is_provably_non_negative()) return std::nullopt;
  if (a.is_provably_non_negative()) return Dim::floor_div(a, b);
  const Dim negated = Dim(0) - a;
  if (negated.is_provably_non_negative()) return Dim(0) - Dim::floor_div(negated, b);
  return std::nullopt;
}

MaybeDim modulo_dims(const Dim& a, const Dim& b) {
  if (b.is_constant(0) || !b.is_provably_non_negative()) return std::nullopt;
  return Dim::mod(a, b);
}

template <Elements kSet, DimRule kRule = nullptr>
Status infer_arithmetic(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_binary<kSet>(context));
  if constexpr (kRule != nullptr) {
    if (holds_extents(context.dtype(0))) {
      propagate_contents(context, {0, 1}, [](const auto& x) { return kRule(x[0], x[1]); });
    }
  }
  return Status::ok();
}

// fmod = 1 is C's remainder for every type; fmod = 0 has the divisor's sign. Both rules agree where
// neither side is negative, and only there do extents follow.
Status infer_mod(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_binary<Elements::kNumber>(context));
  const bool fmod = context.attributes().get_int("fmod", 0) != 0;
  if (!holds_extents(context.dtype(0))) return Status::ok();
  propagate_contents(context, {0, 1}, [&](const auto& x) -> MaybeDim {
    if (fmod && !x[0].is_provably_non_negative()) return std::nullopt;
    return modulo_dims(x[0], x[1]);
  });
  return Status::ok();
}

Status infer_pow(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_elements<Elements::kNumber>(context.dtype(0)));
  PENSTOCK_RETURN_IF_ERROR(check_elements<Elements::kNumber>(context.dtype(1)));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, broadcast_inputs(context));
  context.set_output(0, context.dtype(0), std::move(shape));
  return Status::ok();
}

// The slope broadcasts to x, never x to the slope.
Status infer_prelu(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(infer_binary<Elements::kNumber>(context));
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& both = context.outputs()[0].shape;
  bool fits = both.size() == x.size();
  for (size_t i = 0; i < x.size() && fits; ++i)
    fits = !both[i].is_constant() || both[i] == x[i] || !x[i].is_constant();
  if (!fits) {
    return context.error("slope " + ir::to_string(context.shape(1)) + " does not broadcast to " +
                         ir::to_string(x));
  }
  context.set_output(0, context.dtype(0), x);
  return Status::ok();
}

template <typename T>
T modulo(T a, T b, bool fmod) {
  if constexpr (std::is_floating_point_v<T>) {
    const T rest = std::fmod(a, b);
    if (fmod) return rest;
    if (rest == 0) return std::copysign(rest, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
  } else {
    if (b == 0 || divides_by_minus_one(b)) return 0;
    const T rest = static_cast<T>(a % b);
    if constexpr (std::is_signed_v<T>) {
      if (!fmod && rest != 0 && (rest < 0) != (b < 0)) return static_cast<T>(rest + b);
    }
    return rest;
  }
}

// NaN wins, as in NumPy.
template <typename T>
T smaller(T a, T b) {
  return a != a || a < b ? a : b;
}
template <typename T>
T larger(T a, T b) {
  return a != a || a > b ? a : b;
}

// By less than nothing or more than there is, all bits are gone: what fills up is left, the sign.
template <typename T>
T shift(T x, T by, bool left) {
  constexpr int kBits = static_cast<int>(sizeof(T) * 8);
  // Beyond the width, as for a negative shift, nothing is left but what fills: 0, or the sign.
  if (by < 0 || by >= static_cast<T>(kBits)) return !left && x < 0 ? static_cast<T>(-1) : T(0);
  return static_cast<T>(left ? static_cast<uint64_t>(x) << by : static_cast<uint64_t>(x >> by));
}

// base^exponent by squaring; wraps. Below 1 for negative exponents: only 1 and -1 survive.
template <typename T>
T integer_power(T base, int64_t exponent) {
  if (exponent < 0) {
    if (base == T(1)) return 1;
    if (divides_by_minus_one(base)) return exponent % 2 == 0 ? T(1) : base;
    return 0;
  }
  T result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = multiply(result, base);
    base = multiply(base, base);
  }
  return result;
}

template <typename T>
T power(T base, double exponent) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(std::pow(static_cast<double>(base), exponent));
  } else {
    constexpr double kExact = 9007199254740992.0;  // 2^53
    if (std::trunc(exponent) == exponent && std::fabs(exponent) < kExact) {
      return integer_power(base, static_cast<int64_t>(exponent));
    }
    // Roots of integers; a result that does not fit has no right answer, so it gives 0.
    const double result = std::trunc(std::pow(static_cast<double>(base), exponent));
    const bool fits = result > -0x1p62 && result < 0x1p62;
    return fits ? static_cast<T>(static_cast<int64_t>(result)) : T(0);
  }
}

Status pow_reference(const backends::NodeFacts&, backends::KernelRun& run) {
  const backends::TensorView& base = run.input(0);
  const backends::TensorView& exponent = run.input(1);
  PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, broadcast_shapes(*base.shape, *exponent.shape));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  const BroadcastLoop loop = broadcast_loop(shape, {base.shape, exponent.shape});
  // Exponents of any type, as doubles: one kernel per type of base.
  std::vector<double> exponents(static_cast<size_t>(exponent.count()));
  PENSTOCK_RETURN_IF_ERROR(dispatch_elements<Elements::kNumber>(exponent.dtype, [&](auto tag) {
    using E = typename decltype(tag)::type;
    for (size_t i = 0; i < exponents.size(); ++i) {
      exponents[i] = static_cast<double>(static_cast<Compute<E>>(exponent.as<const E>()[i]));
    }
  }));
  return dispatch_elements<Elements::kNumber>(base.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    map_binary(loop, base.as<const T>(), exponents.data(), y.as<T>(),
               [](auto x, double e) { return power(x, e); });
  });
}

constexpr OpDefinition pow_definition() {
  OpDefinition op;
  op.name = "Pow";
  op.min_inputs = op.max_inputs = 2;
  op.infer = infer_pow;
  op.reference = pow_reference;
  return op;
}

constexpr auto kMod = [](const ir::Attributes& a) {
  const bool fmod = a.get_int("fmod", 0) != 0;
  return [=](auto x, auto y) { return modulo(x, y, fmod); };
};
constexpr auto kBitShift = [](const ir::Attributes& a) {
  const bool left = a.get_string("direction") == "LEFT";
  return [=](auto x, auto y) { return shift(x, y, left); };
};

MaybeDim add_dims(const Dim& a, const Dim& b) { return a + b; }
MaybeDim subtract_dims(const Dim& a, const Dim& b) { return a - b; }
MaybeDim multiply_dims(const Dim& a, const Dim& b) { return a * b; }
MaybeDim min_dims(const Dim& a, const Dim& b) { return Dim::min(a, b); }
MaybeDim max_dims(const Dim& a, const Dim& b) { return Dim::max(a, b); }

template <auto kFunction, DimRule kRule = nullptr>
constexpr OpDefinition numeric(std::string_view name) {
  return binary<Elements::kNumber, kFunction>(name, infer_arithmetic<Elements::kNumber, kRule>);
}
template <auto kFunction>
constexpr OpDefinition bitwise(std::string_view name) {
  return binary<Elements::kInteger, kFunction>(name, infer_arithmetic<Elements::kInteger>);
}

constexpr OpDefinition kOps[] = {
    numeric<[](auto a, auto b) { return add(a, b); }, add_dims>("Add"),
    numeric<[](auto a, auto b) { return subtract(a, b); }, subtract_dims>("Sub"),
    numeric<[](auto a, auto b) { return multiply(a, b); }, multiply_dims>("Mul"),
    numeric<[](auto a, auto b) { return divide(a, b); }, divide_dims>("Div"),
    numeric<[](auto a, auto b) { return smaller(a, b); }, min_dims>("Min"),
    numeric<[](auto a, auto b) { return larger(a, b); }, max_dims>("Max"),
    pow_definition(),
    binary_with<Elements::kNumber, kMod>("Mod", infer_mod),
    binary<Elements::kNumber, [](auto x, auto slope) { return x < 0 ? multiply(x, slope) : x; }>(
        "PRelu", infer_prelu),
    binary_with<Elements::kInteger, kBitShift>("BitShift", infer_arithmetic<Elements::kInteger>),
    bitwise<[](auto a, auto b) { return static_cast<decltype(a)>(a & b); }>("BitwiseAnd"),
    bitwise<[](auto a, auto b) { return static_cast<decltype(a)>(a | b); }>("BitwiseOr"),
    bitwise<[](auto a, auto b) { return static_cast<decltype(a)>(a ^ b); }>("BitwiseXor"),
};

}  // namespace

std::span<const OpDefinition> arithmetic_ops() { return kOps; }

}  // namespace penstock::ops
