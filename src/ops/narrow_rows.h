// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "backends/cpu/simd/narrow_floats.h"
#include "backends/tactic.h"

// Rows of tensors for kernels that compute in float32: read where they lie, or widened from 16 bits
// into memory of the thread.
namespace penstock::ops {

// The element type as the kernels of narrow floats name it; nothing where it is none of 16 bits.
inline std::optional<simd::NarrowFloat> narrow_float(DataType type) {
  if (type == DataType::kFloat16) return simd::NarrowFloat::kFloat16;
  if (type == DataType::kBFloat16) return simd::NarrowFloat::kBFloat16;
  return std::nullopt;
}

// How many rows a thread widens together: they stay in its L1 cache.
inline int64_t widened_rows(int64_t cols) {
  constexpr int64_t kElements = 2048;
  return std::max<int64_t>(1, kElements / std::max<int64_t>(1, cols));
}

}  // namespace penstock::ops
