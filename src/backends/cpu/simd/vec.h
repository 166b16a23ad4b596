// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// Vector types with one static interface, for templates over V.
//
//   F32x1   always        scalar, the baseline kernels and the oracle of the wider types
//   F32x8   __AVX2__      needs -mfma too
//   F32x16  __AVX512F__   needs bw, dq and vl too
//
// Interface (V is any of the three, p is a float pointer of any alignment, 0 <= n <= V::kWidth):
//   V::load(p) V::load_partial(p, n) V::broadcast(s) V::zero()   lanes from n on are zero
//   v.store(p) v.store_partial(p, n)                             writes exactly n floats
//   V::first_lanes(n) -> V::Mask                                 true in lanes below n
//   a + b, a - b, a * b, a / b, -a
//   fma(a, b, c) = a * b + c          fnma(a, b, c) = c - a * b
//   min(a, b) max(a, b)               b when either is NaN (the x86 rule, also for F32x1)
//   abs sqrt round (half to even) floor ceil copy_sign(magnitude, sign)
//   cmp_lt cmp_le cmp_gt cmp_ge cmp_eq cmp_ne is_nan -> V::Mask; mask_and mask_or mask_not any
//   select(mask, a, b) = mask ? a : b
//   scale_by_pow2(x, n) = x * 2^n for integral n in [-252, 254], one rounding
//   split_pow2(x, &m): e with x = m * 2^e, m in [sqrt(1/2), sqrt(2)), for normal x > 0
//   reduce_add reduce_max reduce_min reduce_mul -> float
//
// Everything lives in an inline namespace named for the instruction set of the translation unit:
// the same template compiled with other flags is then another symbol, so that the linker can never
// hand AVX-512 code to a baseline caller.

#include <cstdint>
#include <cstring>

#if defined(__SSE4_1__)
#include <immintrin.h>
#else
#include <math.h>
#endif

#define PENSTOCK_SIMD_INLINE [[gnu::always_inline]] inline

// For lambdas that a kernel calls twice, once with a constant.
#define PENSTOCK_SIMD_INLINE_LAMBDA __attribute__((always_inline))

#if defined(__AVX512F__)
#define PENSTOCK_SIMD_ISA isa_avx512
#elif defined(__AVX2__)
#define PENSTOCK_SIMD_ISA isa_avx2
#else
#define PENSTOCK_SIMD_ISA isa_baseline
#endif

#include "backends/cpu/simd/vec_scalar.h"

#if defined(__AVX2__)
#include "backends/cpu/simd/vec_avx2.h"
#endif

#if defined(__AVX512F__)
#include "backends/cpu/simd/vec_avx512.h"
#endif

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// The widest type this translation unit may use.
#if defined(__AVX512F__)
using F32Native = F32x16;
#elif defined(__AVX2__)
using F32Native = F32x8;
#else
using F32Native = F32x1;
#endif

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
