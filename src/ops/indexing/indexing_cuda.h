// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Launches of the family's CUDA kernels. Indices are int32 or int64; one that is outside its axis
// reads zeros and writes nothing: a kernel of the device has no way to give an error.
#pragma once

#include <cuda_runtime_api.h>
#include <penstock/types.h>

#include <cstdint>

namespace penstock::ops {

constexpr int kMaxIndexAxes = 8;

struct DeviceIndices {
  const void* data = nullptr;
  bool is_wide = true;  // int64
};

// Slices of x [outer, extent, inner] at `count` indices.
struct GatherArguments {
  const void* x = nullptr;
  DeviceIndices indices;
  void* y = nullptr;
  int64_t outer = 0;
  int64_t extent = 0;
  int64_t count = 0;
  int64_t inner = 0;
};
void launch_gather(const GatherArguments& arguments, size_t element_bytes, cudaStream_t stream);

// Slices that index tuples address, `tuples` in each of `batches`.
struct TupleArguments {
  const void* x = nullptr;
  DeviceIndices indices;
  void* y = nullptr;
  int64_t batches = 0;
  int64_t tuples = 0;
  int64_t slice = 0;
  int depth = 0;
  int64_t limits[kMaxIndexAxes] = {};
};
void launch_gather_nd(const TupleArguments& arguments, size_t element_bytes, cudaStream_t stream);
// From x, the updates, into y. Adding is for float32.
void launch_scatter_nd(const TupleArguments& arguments, cudaStream_t stream);

// An index for each element: of `extents`, row-major, into data of `strides`, along `axis`.
struct ElementArguments {
  const void* x = nullptr;
  DeviceIndices indices;
  void* y = nullptr;
  int axes = 0;
  int axis = 0;
  int64_t limit = 0;  // of the indices
  int64_t extents[kMaxIndexAxes] = {};
  int64_t strides[kMaxIndexAxes] = {};
};
void launch_gather_elements(const ElementArguments& arguments, size_t element_bytes,
                            cudaStream_t stream);
// From x, the updates, into y. Adding is for float32.
void launch_scatter_elements(const ElementArguments& arguments, cudaStream_t stream);

// y [outer, depth, inner] of two values, for indices [outer, inner].
struct OneHotArguments {
  const void* indices = nullptr;
  DataType index_type = DataType::kInt64;  // or int32, float32
  const void* off_on = nullptr;
  void* y = nullptr;
  int64_t outer = 0;
  int64_t depth = 0;
  int64_t inner = 0;
};
void launch_one_hot(const OneHotArguments& arguments, size_t element_bytes, cudaStream_t stream);

constexpr int64_t kMaxTopK = 1024;
// The k best of each line of x [outer, extent, inner], the best first, the first of equals first.
struct TopKArguments {
  const void* x = nullptr;
  void* values = nullptr;      // or null
  int64_t* indices = nullptr;  // or null
  int64_t outer = 0;
  int64_t extent = 0;
  int64_t inner = 0;
  int64_t k = 0;
  bool largest = true;
};
// False where there is no kernel for the type.
bool launch_top_k(const TopKArguments& arguments, DataType type, cudaStream_t stream);
bool has_top_k(DataType type);

}  // namespace penstock::ops
