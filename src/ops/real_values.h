// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "backends/tactic.h"
#include "base/half.h"

namespace penstock::ops {

// A double as an element of type T; integers are rounded to the nearest and kept in T's range, a
// NaN becomes 0.
template <typename T>
T from_real(double value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0.0;
  } else if constexpr (std::is_integral_v<T>) {
    const double rounded = std::nearbyint(value);
    if (std::isnan(rounded)) return 0;
    if (rounded <= static_cast<double>(std::numeric_limits<T>::lowest())) {
      return std::numeric_limits<T>::lowest();
    }
    if (rounded >= static_cast<double>(std::numeric_limits<T>::max())) {
      return std::numeric_limits<T>::max();
    }
    return static_cast<T>(rounded);
  } else if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    return static_cast<T>(static_cast<float>(value));
  }
}

template <typename T>
double to_real(T value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<double>(static_cast<float>(value));
  }
}

// For reference kernels that compute in double whatever the tensors hold: all elements of an input
// (none where it is absent), and storing them rounded.
std::vector<double> read_reals(const backends::TensorView& view);
Status write_reals(const std::vector<double>& values, const backends::TensorView& view);

}  // namespace penstock::ops
