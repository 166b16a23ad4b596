// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What the family's kernels accumulate in.
#pragma once

#include <cmath>
#include <type_traits>

#include "backends/cuda/launch_math.cuh"

namespace penstock::ops {

// Floats add up in float (float64 in itself), integers in 64 bits that wrap around.
template <typename T>
struct AccumulatorOf {
  using type = float;
};
template <>
struct AccumulatorOf<double> {
  using type = double;
};
template <>
struct AccumulatorOf<int32_t> {
  using type = long long;
};
template <>
struct AccumulatorOf<int64_t> {
  using type = long long;
};
template <typename T>
using Accumulator = typename AccumulatorOf<T>::type;

template <typename T>
__device__ Accumulator<T> to_accumulator(T x) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<Accumulator<T>>(x);
  } else {
    return backends::cuda::to_float(x);
  }
}

template <typename T>
__device__ T from_accumulator(Accumulator<T> x) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<T>(x);
  } else {
    return backends::cuda::from_float<T>(x);
  }
}

// Below every number of T (or above), as an accumulator.
template <typename T>
__device__ Accumulator<T> end_of_range(bool above) {
  if constexpr (std::is_integral_v<T>) {
    // numeric_limits is for the host.
    constexpr auto kHighest = static_cast<T>(~(uint64_t{1} << 63) >> (64 - 8 * sizeof(T)));
    return above ? kHighest : -kHighest - 1;
  } else {
    return above ? INFINITY : -INFINITY;
  }
}

template <typename Fn>
bool dispatch_number(DataType type, Fn&& fn) {
  switch (type) {
    case DataType::kFloat64: fn(backends::cuda::ElementTag<double>{}); return true;
    case DataType::kInt32: fn(backends::cuda::ElementTag<int32_t>{}); return true;
    case DataType::kInt64: fn(backends::cuda::ElementTag<int64_t>{}); return true;
    default: return backends::cuda::dispatch_float(type, fn);
  }
}

}  // namespace penstock::ops
