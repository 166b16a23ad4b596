// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Elementary functions over the vector types of vec.h.
//
// Error bounds are against double libm over the whole float range, as simd_test.cc checks them.
// The polynomials are our own minimax fits: tools/fit_polynomials.py prints them. NaN gives NaN.
// Functions that multiply x by a saturated factor (silu, gelu, gelu_tanh, mish) give NaN at
// x = -inf, as their ONNX formulas do.

// The C header: the inline overloads of <cmath> could reach baseline code with our flags on them.
#include <math.h>

#include "backends/cpu/simd/vec.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// Propagate NaN from either operand, as numpy and ONNX do.
template <typename V>
PENSTOCK_SIMD_INLINE V nan_min(V a, V b) {
  return select(is_nan(a), a, min(a, b));
}
template <typename V>
PENSTOCK_SIMD_INLINE V nan_max(V a, V b) {
  return select(is_nan(a), a, max(a, b));
}

// c[0] + c[1] x + ... as the sum of its even and its odd terms: two chains of half the length
// (Horner's rule for each, in x^2) overlap where one would wait for itself.
template <typename V, int kCount>
PENSTOCK_SIMD_INLINE V polynomial(V x, const float (&c)[kCount]) {
  static_assert(kCount >= 4);
  const V square = x * x;
  V high = V::broadcast(c[kCount - 1]), low = V::broadcast(c[kCount - 2]);
#pragma GCC unroll 16
  for (int i = kCount - 3; i >= 1; i -= 2) {
    high = fma(high, square, V::broadcast(c[i]));
    low = fma(low, square, V::broadcast(c[i - 1]));
  }
  // An odd count leaves c[0] over; `high` then holds the even terms but for it.
  if constexpr (kCount % 2 != 0) return fma(fma(high, x, low), x, V::broadcast(c[0]));
  return fma(high, x, low);
}

// Cody and Waite's split of ln 2 (W. J. Cody, W. Waite, "Software Manual for the Elementary
// Functions", 1980; the constants are those of Cephes): the high part has 9 bits, so that its
// product with a whole number below 2^15 is exact with or without FMA.
constexpr float kLn2High = 0.693359375f;
constexpr float kLn2Low = -2.12194440e-4f;
constexpr float kLog2E = 1.44269504f;

// e^x = 2^n * (1 + p) with |x - n ln 2| <= ln(2) / 2. Relative error of p: 1.4e-8 plus rounding.
template <typename V>
PENSTOCK_SIMD_INLINE V exp_reduced(V x, V* n) {
  constexpr float kC[] = {0.49999997f, 0.166665435f, 0.0416675434f, 0.00836655125f, 0.00138608215f};
  *n = round(x * V::broadcast(kLog2E));
  V r = fnma(*n, V::broadcast(kLn2High), x);
  r = fnma(*n, V::broadcast(kLn2Low), r);
  return fma(r * r, polynomial(r, kC), r);
}

// Within 1.2e-7 relative; gradual underflow below -87.3, 0 below -103.98, inf above 88.72.
template <typename V>
PENSTOCK_SIMD_INLINE V exp(V x) {
  x = min(V::broadcast(89.0f), max(V::broadcast(-104.0f), x));
  V n;
  const V p = exp_reduced(x, &n);
  return scale_by_pow2(V::broadcast(1.0f) + p, n);
}

// e^x - 1 for x <= 0, keeping the relative accuracy near 0. Within 2e-7 relative.
template <typename V>
PENSTOCK_SIMD_INLINE V expm1_nonpositive(V x) {
  x = max(V::broadcast(-30.0f), x);
  V n;
  const V p = exp_reduced(x, &n);
  const V one = V::broadcast(1.0f);
  const V power = scale_by_pow2(one, n);
  return fma(power, p, power - one);
}

// Within 2e-7 relative, denormals included; -inf at 0, NaN below.
template <typename V>
PENSTOCK_SIMD_INLINE V log(V x) {
  constexpr float kC[] = {0.333333135f,  -0.250000119f, 0.200020745f,  -0.166678548f, 0.142201811f,
                          -0.124081582f, 0.11886669f,   -0.116612032f, 0.0673252791f};
  const V tiny = V::broadcast(1.17549435e-38f);
  const auto denormal = cmp_lt(x, tiny);
  const V normal = select(denormal, x * V::broadcast(33554432.0f), x);  // 2^25
  V m;
  V e = split_pow2(normal, &m);
  e = select(denormal, e - V::broadcast(25.0f), e);
  const V t = m - V::broadcast(1.0f);
  const V t2 = t * t;
  V y = t * t2 * polynomial(t, kC);
  y = fma(e, V::broadcast(kLn2Low), y);
  y = fnma(V::broadcast(0.5f), t2, y);
  y = fma(e, V::broadcast(kLn2High), t + y);
  const float inf = __builtin_inff();
  y = select(cmp_lt(x, V::broadcast(inf)), y, x);  // +inf and NaN pass
  y = select(cmp_eq(x, V::zero()), V::broadcast(-inf), y);
  return select(cmp_lt(x, V::zero()), V::broadcast(__builtin_nanf("")), y);
}

// log(1 + z) for z in [0, 1]. Within 2e-7 relative.
template <typename V>
PENSTOCK_SIMD_INLINE V log1p_unit(V z) {
  constexpr float kC[] = {-0.499999315f,  0.333304703f,  -0.24958156f,
                          0.196931928f,   -0.153490975f, 0.10670013f,
                          -0.0575615279f, 0.0201503336f, -0.0033065395f};
  return fma(z * z, polynomial(z, kC), z);
}

// With t = e^(-2|x|) - 1, tanh |x| = -t / (t + 2): no cancellation and no overflow. Within 2.5e-7.
template <typename V>
PENSTOCK_SIMD_INLINE V tanh(V x) {
  const V t = expm1_nonpositive(abs(x) * V::broadcast(-2.0f));
  return copy_sign(t / (t + V::broadcast(2.0f)), x);
}

// x / (1 + e^-x) where numerator is x, within 2.5e-7, and the plain sigmoid where it is 1. Both
// exponentials below are of a number <= 0, so that large arguments keep their relative accuracy.
template <typename V>
PENSTOCK_SIMD_INLINE V times_sigmoid(V numerator, V x) {
  const V z = exp(-abs(x));
  const V one = V::broadcast(1.0f);
  return select(cmp_lt(x, V::zero()), numerator * z, numerator) / (one + z);
}
template <typename V>
PENSTOCK_SIMD_INLINE V sigmoid(V x) {
  return times_sigmoid(V::broadcast(1.0f), x);
}
template <typename V>
PENSTOCK_SIMD_INLINE V silu(V x) {
  return times_sigmoid(x, x);
}

// erf |x| = 1 - e^(-|x| Q(|x|)) with Q(x) = -log(erfc(x)) / x fitted on [0, 4], weighted for the
// relative error of erf (4.0e-9); erf rounds to 1 above. One polynomial serves the whole range,
// because expm1 keeps what Q has near 0. 2 / sqrt(pi) needs a second float. Within 2.2e-7 (2.6e-7
// without FMA).
template <typename V>
PENSTOCK_SIMD_INLINE V erf(V x) {
  constexpr float kC[] = {-5.86353834e-8f,  0.636615396f,    0.102823868f,
                          -0.0193522517f,   0.000249776262f, 0.00122298568f,
                          -0.000374657917f, 4.17294614e-5f,  -4.36027136e-7f};
  const V a = min(V::broadcast(4.0f), abs(x));
  const V y = fma(a, V::broadcast(1.12837923f), a * polynomial(a, kC));
  return copy_sign(expm1_nonpositive(-y), x);
}

// 0.5 x (1 + erf(x / sqrt 2)). Within 3e-7 relative or 4e-7 absolute: the far negative tail
// cancels.
template <typename V>
PENSTOCK_SIMD_INLINE V gelu(V x) {
  const V half = V::broadcast(0.5f) * x;
  return fma(half, erf(x * V::broadcast(0.707106781f)), half);
}

// 0.5 x (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
// (D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016). Within 1e-5 relative, the
// rounding of u in the negative tail; 3e-7 absolute.
template <typename V>
PENSTOCK_SIMD_INLINE V gelu_tanh(V x) {
  constexpr float kTwoSqrt2OverPi = 1.59576912f;
  const V cubic =
      fma(x * x, V::broadcast(0.044715f * kTwoSqrt2OverPi), V::broadcast(kTwoSqrt2OverPi));
  return times_sigmoid(x, x * cubic);
}

template <typename V>
PENSTOCK_SIMD_INLINE V hard_sigmoid(V x, float alpha, float beta) {
  const V line = fma(x, V::broadcast(alpha), V::broadcast(beta));
  return max(V::zero(), min(V::broadcast(1.0f), line));
}

template <typename V>
PENSTOCK_SIMD_INLINE V hard_swish(V x, float alpha, float beta) {
  return x * hard_sigmoid(x, alpha, beta);
}

// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)
template <typename V>
PENSTOCK_SIMD_INLINE V softplus(V x) {
  return max(V::zero(), x) + log1p_unit(exp(-abs(x)));
}

// x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2); the ratio is 1 from x = 20 on.
template <typename V>
PENSTOCK_SIMD_INLINE V mish(V x) {
  const V two = V::broadcast(2.0f);
  const V e = exp(min(V::broadcast(20.0f), x));
  const V n = e * (e + two);
  return x * (n / (n + two));
}

template <typename V>
PENSTOCK_SIMD_INLINE V elu(V x, float alpha) {
  const V negative = V::broadcast(alpha) * expm1_nonpositive(min(V::zero(), x));
  return select(cmp_lt(x, V::zero()), negative, x);
}

template <typename V>
PENSTOCK_SIMD_INLINE V sign(V x) {
  const V one = V::broadcast(1.0f);
  const V unit = select(cmp_lt(x, V::zero()), -one, x);  // zeros and NaN stay as they are
  return select(cmp_gt(x, V::zero()), one, unit);
}

// Lane by lane through libm, for functions too rare or too delicate for a kernel of their own.
template <typename V, typename F>
PENSTOCK_SIMD_INLINE V map_lanes(V x, F function) {
  float lanes[V::kWidth];
  x.store(lanes);
  for (int i = 0; i < V::kWidth; ++i) lanes[i] = function(lanes[i]);
  return V::load(lanes);
}
template <typename V>
PENSTOCK_SIMD_INLINE V sin(V x) {
  return map_lanes(x, [](float s) { return ::sinf(s); });
}
template <typename V>
PENSTOCK_SIMD_INLINE V cos(V x) {
  return map_lanes(x, [](float s) { return ::cosf(s); });
}

// libm's powf: e^(y log x) in floats would lose up to 7 bits, and the signs and zeros of pow have
// a page of rules.
template <typename V>
PENSTOCK_SIMD_INLINE V pow(V x, V y) {
  float bases[V::kWidth], exponents[V::kWidth];
  x.store(bases);
  y.store(exponents);
  for (int i = 0; i < V::kWidth; ++i) bases[i] = ::powf(bases[i], exponents[i]);
  return V::load(bases);
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
