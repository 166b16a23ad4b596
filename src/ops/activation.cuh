// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/epilogue.h"

namespace penstock::ops {

// EpilogueStep's formulas of the steps without an operand, with its numbers. A NaN stays one, but in
// clips.
__device__ inline float activate(EpilogueStep::Kind kind, float a, float b, float c, float x) {
  using Kind = EpilogueStep::Kind;
  switch (kind) {
    case Kind::kRelu: return x < 0.0f ? 0.0f : x;
    case Kind::kLeakyRelu: return x < 0.0f ? a * x : x;
    case Kind::kClip: return fminf(fmaxf(x, a), b);
    case Kind::kSigmoid: return 1.0f / (1.0f + expf(-x));
    case Kind::kTanh: return tanhf(x);
    case Kind::kGelu: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case Kind::kGeluTanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case Kind::kSilu: return x / (1.0f + expf(-x));
    case Kind::kHardSwish: return x * fminf(fmaxf(x / 6.0f + 0.5f, 0.0f), 1.0f);
    case Kind::kHardSigmoid: return fminf(fmaxf(a * x + b, 0.0f), 1.0f);
    case Kind::kElu: return x < 0.0f ? a * expm1f(x) : x;
    case Kind::kRound: return a * fminf(fmaxf(rintf(x / a), b), c);
    default: return x;
  }
}

}  // namespace penstock::ops
