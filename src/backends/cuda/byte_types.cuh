// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Integers of 8 bits, computed in float. Included before templates that are to take them.
#pragma once

#include "backends/cuda/device_types.cuh"

namespace penstock::backends::cuda {

__device__ inline float to_float(int8_t x) { return static_cast<float>(x); }
__device__ inline float to_float(uint8_t x) { return static_cast<float>(x); }
// Of whole numbers in range.
template <>
__device__ inline int8_t from_float<int8_t>(float x) {
  return static_cast<int8_t>(x);
}
template <>
__device__ inline uint8_t from_float<uint8_t>(float x) {
  return static_cast<uint8_t>(x);
}

}  // namespace penstock::backends::cuda
