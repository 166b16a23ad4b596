// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace penstock {

// Arithmetic of int64 tensors: it wraps around, where that of C++ has no meaning.
inline int64_t wrapping_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t wrapping_multiply(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
// Rounded down; 0 where b is. A processor traps on the lowest number divided by -1.
inline int64_t floor_divide(int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return wrapping_multiply(a, -1);
  return a / b - ((a % b != 0 && ((a < 0) != (b < 0))) ? 1 : 0);
}
inline int64_t floor_modulo(int64_t a, int64_t b) {
  return b == 0 ? 0
                : wrapping_add(a, wrapping_multiply(floor_divide(a, b), wrapping_multiply(b, -1)));
}

}  // namespace penstock
