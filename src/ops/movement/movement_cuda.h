// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of the family's CUDA kernels. Elements have 1, 2, 4 or 8 bytes.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

namespace penstock::ops {

constexpr int kMaxMoveAxes = 8;

// Elements of x at multiples of x_strides go to y at multiples of y_strides. Axes stand in the
// order of y, the outermost first; extents are not 0.
struct DeviceMove {
  const void* x = nullptr;
  void* y = nullptr;
  int axes = 0;
  int64_t extents[kMaxMoveAxes] = {};
  int64_t x_strides[kMaxMoveAxes] = {};
  int64_t y_strides[kMaxMoveAxes] = {};
};
// Moves that write to different places, in any order.
void launch_moves(const DeviceMove* moves, size_t count, size_t element_bytes, cudaStream_t stream);

enum class DevicePadMode : uint8_t { kConstant, kReflect, kEdge, kWrap };

// y row-major in the order of its axes; place i of an axis shows a place of x[first, first + count)
// that stands at `begin`.
struct PadArguments {
  const void* x = nullptr;
  const void* value = nullptr;  // one element, or null for zero
  void* y = nullptr;
  DevicePadMode mode = DevicePadMode::kConstant;
  int axes = 0;
  int64_t extents[kMaxMoveAxes] = {};
  int64_t x_strides[kMaxMoveAxes] = {};
  int64_t begin[kMaxMoveAxes] = {};
  int64_t first[kMaxMoveAxes] = {};
  int64_t count[kMaxMoveAxes] = {};

  bool is_padded(int axis) const {
    return begin[axis] != 0 || first[axis] != 0 || count[axis] != extents[axis];
  }
};
void launch_pad(const PadArguments& arguments, size_t element_bytes, cudaStream_t stream);

// `count` elements of the low bytes of `bits`.
void launch_fill(void* y, int64_t count, uint64_t bits, size_t element_bytes, cudaStream_t stream);

constexpr int kMaxValues = 64;
// Integers that the host knows, narrowed to elements.
struct ValueArguments {
  void* y = nullptr;
  int count = 0;
  int64_t values[kMaxValues] = {};
};
void launch_values(const ValueArguments& arguments, size_t element_bytes, cudaStream_t stream);

// y[i] = start + i * delta. False where there is no kernel for the type.
bool launch_range(DataType type, const void* start, const void* delta, void* y, int64_t count,
                  cudaStream_t stream);
bool has_range(DataType type);

// Matrices with zeros below the diagonal k (upper), or above it.
struct TriluArguments {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t matrices = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t k = 0;
  bool upper = true;
};
void launch_trilu(const TriluArguments& arguments, size_t element_bytes, cudaStream_t stream);

// A diagonal of `bits`, zeros elsewhere.
struct EyeArguments {
  void* y = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t k = 0;
  uint64_t bits = 0;
};
void launch_eye(const EyeArguments& arguments, size_t element_bytes, cudaStream_t stream);

// x [first, second, inner]: the beginning of each sequence turned around.
struct ReverseArguments {
  const void* x = nullptr;
  const int64_t* lengths = nullptr;
  void* y = nullptr;
  int64_t first = 0;
  int64_t second = 0;
  int64_t inner = 0;
  bool time_first = true;  // else the batch is the first axis
};
void launch_reverse(const ReverseArguments& arguments, size_t element_bytes, cudaStream_t stream);

}  // namespace penstock::ops
