// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of the family's CUDA kernels, for float32, float16, bfloat16, float64, int32 and int64.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstddef>
#include <cstdint>

namespace penstock::ops {

constexpr int kMaxReduceAxes = 4;

// What is accumulated, of what, and what is done with it at the end.
enum class Accumulation : uint8_t { kSum, kMax, kMin, kProduct, kLogSumExp };
enum class Magnitude : uint8_t { kItself, kAbsolute, kSquare };
enum class Ending : uint8_t { kNothing, kMean, kRoot, kLog };

// Axes of a tensor, neighbours joined, the innermost last.
struct ReduceAxes {
  int axes = 0;
  int64_t extents[kMaxReduceAxes] = {};
  int64_t strides[kMaxReduceAxes] = {};
  int64_t count = 1;
};

struct ReduceArguments {
  DataType type = DataType::kFloat32;
  Accumulation accumulation = Accumulation::kSum;
  Magnitude magnitude = Magnitude::kItself;
  Ending ending = Ending::kNothing;
  const void* x = nullptr;
  void* y = nullptr;
  ReduceAxes kept;
  ReduceAxes reduced;
  bool is_inner = true;  // the innermost axis of x is reduced
  int64_t parts = 1;     // that each reduction is cut into, where there are few of them
  void* workspace = nullptr;
};
// Parts for the extents of the arguments, and the bytes that they need.
int64_t reduce_parts(const ReduceArguments& arguments);
size_t reduce_workspace_bytes(const ReduceArguments& arguments);
void launch_reduce(const ReduceArguments& arguments, cudaStream_t stream);

bool has_reduce(DataType type);

// The place of the extreme along the middle of [outer, extent, inner].
struct ArgReduceArguments {
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  int64_t* y = nullptr;
  int64_t outer = 0;
  int64_t extent = 0;
  int64_t inner = 0;
  bool largest = true;
  bool last = false;  // of equal ones
};
void launch_arg_reduce(const ArgReduceArguments& arguments, cudaStream_t stream);

// Running sums, or products, along the middle of [outer, extent, inner].
struct ScanArguments {
  DataType type = DataType::kFloat32;
  const void* x = nullptr;
  void* y = nullptr;
  int64_t outer = 0;
  int64_t extent = 0;
  int64_t inner = 0;
  bool product = false;
  bool exclusive = false;
  bool reverse = false;
};
void launch_scan(const ScanArguments& arguments, cudaStream_t stream);

}  // namespace penstock::ops
