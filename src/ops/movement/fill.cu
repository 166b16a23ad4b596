// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What is made of numbers alone, and what looks at places only: ConstantOfShape, Range, Shape,
// EyeLike, Trilu, ReverseSequence.
#include "backends/cuda/launch_math.cuh"
#include "ops/movement/movement_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;

struct Pattern {
  uint64_t bits;  // elements side by side

  __device__ uint8_t byte(int64_t i) const { return static_cast<uint8_t>(bits >> (i % 8 * 8)); }
};

// `vectors` times 16 bytes, and single bytes after them.
__global__ void fill(uint8_t* y, int64_t vectors, int64_t bytes, Pattern pattern) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const ulonglong2 value = {pattern.bits, pattern.bits};
  for (int64_t i = begin; i < vectors; i += step) reinterpret_cast<ulonglong2*>(y)[i] = value;
  for (int64_t i = vectors * 16 + begin; i < bytes; i += step) y[i] = pattern.byte(i);
}

template <typename T>
__global__ void write_values(const __grid_constant__ ValueArguments a) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < a.count) static_cast<T*>(a.y)[i] = static_cast<T>(a.values[i]);
}

template <typename T>
__device__ T range_value(T start, T delta, int64_t i) {
  return static_cast<T>(start + static_cast<T>(i) * delta);
}
template <>
__device__ inline __half range_value(__half start, __half delta, int64_t i) {
  return from_float<__half>(to_float(start) + static_cast<float>(i) * to_float(delta));
}
template <>
__device__ inline __nv_bfloat16 range_value(__nv_bfloat16 start, __nv_bfloat16 delta, int64_t i) {
  return from_float<__nv_bfloat16>(to_float(start) + static_cast<float>(i) * to_float(delta));
}

template <typename T>
__global__ void range(const T* start, const T* delta, T* y, int64_t count) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    y[i] = range_value<T>(*start, *delta, i);
  }
}

template <typename Fn>
bool dispatch_range(DataType type, Fn&& fn) {
  switch (type) {
    case DataType::kInt16: fn(ElementTag<int16_t>{}); return true;
    case DataType::kInt32: fn(ElementTag<int32_t>{}); return true;
    case DataType::kInt64: fn(ElementTag<int64_t>{}); return true;
    case DataType::kFloat64: fn(ElementTag<double>{}); return true;
    default: return dispatch_float(type, fn);
  }
}

template <typename T, typename Index>
__global__ void trilu(const TriluArguments a, Index items) {
  const auto columns = static_cast<Index>(a.columns);
  const auto rows = static_cast<Index>(a.rows);
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < items; i += step) {
    const auto diagonal =
        static_cast<int64_t>(i % columns) - static_cast<int64_t>(i / columns % rows);
    const bool keep = a.upper ? diagonal >= a.k : diagonal <= a.k;
    static_cast<T*>(a.y)[i] = keep ? static_cast<const T*>(a.x)[i] : T{};
  }
}

template <typename T>
__global__ void eye(const EyeArguments a) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       i < a.rows * a.columns; i += step) {
    const bool on = i % a.columns - i / a.columns == a.k;
    static_cast<T*>(a.y)[i] = on ? static_cast<T>(a.bits) : T{};
  }
}

template <typename T, typename Index>
__global__ void reverse_sequences(const ReverseArguments a, Index items) {
  const auto inner = static_cast<Index>(a.inner);
  const auto second = static_cast<Index>(a.second);
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < items; i += step) {
    const Index within = i % inner;
    const auto s = static_cast<int64_t>(i / inner % second);
    const auto f = static_cast<int64_t>(i / inner / second);
    const int64_t time = a.time_first ? f : s;
    const int64_t steps = a.time_first ? a.first : a.second;
    // A length that is too large would read outside: it counts as all steps.
    const int64_t given = a.lengths[a.time_first ? s : f];
    const int64_t length = given < steps ? given : steps;
    const int64_t source = time < length ? length - 1 - time : time;
    const int64_t from = a.time_first ? (source * a.second + s) : (f * a.second + source);
    static_cast<T*>(a.y)[i] = static_cast<const T*>(a.x)[from * a.inner + within];
  }
}

}  // namespace

void launch_fill(void* y, int64_t count, uint64_t bits, size_t element_bytes, cudaStream_t stream) {
  if (count == 0) return;
  for (size_t bytes = element_bytes; bytes < 8; bytes *= 2) {
    bits &= (uint64_t{1} << (8 * bytes)) - 1;
    bits |= bits << (8 * bytes);
  }
  const int64_t bytes = count * static_cast<int64_t>(element_bytes);
  // Addresses are multiples of the element at least, so the pattern begins with one.
  const int64_t vectors = is_aligned(y, 16) ? bytes / 16 : 0;
  const unsigned blocks = grid_of(std::max(vectors, bytes - vectors * 16), kThreads, 4096);
  fill<<<blocks, kThreads, 0, stream>>>(static_cast<uint8_t*>(y), vectors, bytes, {bits});
}

void launch_values(const ValueArguments& arguments, size_t element_bytes, cudaStream_t stream) {
  if (arguments.count == 0) return;
  dispatch_size(element_bytes, [&](auto tag) {
    write_values<typename decltype(tag)::type><<<1, kMaxValues, 0, stream>>>(arguments);
  });
}

bool has_range(DataType type) {
  return dispatch_range(type, [](auto) {});
}

bool launch_range(DataType type, const void* start, const void* delta, void* y, int64_t count,
                  cudaStream_t stream) {
  return dispatch_range(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (count == 0) return;
    range<<<grid_of(count, kThreads), kThreads, 0, stream>>>(
        static_cast<const T*>(start), static_cast<const T*>(delta), static_cast<T*>(y), count);
  });
}

void launch_trilu(const TriluArguments& a, size_t element_bytes, cudaStream_t stream) {
  const int64_t items = a.matrices * a.rows * a.columns;
  if (items == 0) return;
  const unsigned blocks = grid_of(items, kThreads);
  dispatch_size(element_bytes, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (fits_32_bits(items)) {
      trilu<T, uint32_t><<<blocks, kThreads, 0, stream>>>(a, static_cast<uint32_t>(items));
    } else {
      trilu<T, uint64_t><<<blocks, kThreads, 0, stream>>>(a, static_cast<uint64_t>(items));
    }
  });
}

void launch_eye(const EyeArguments& a, size_t element_bytes, cudaStream_t stream) {
  if (a.rows * a.columns == 0) return;
  dispatch_size(element_bytes, [&](auto tag) {
    using T = typename decltype(tag)::type;
    eye<T><<<grid_of(a.rows * a.columns, kThreads), kThreads, 0, stream>>>(a);
  });
}

void launch_reverse(const ReverseArguments& a, size_t element_bytes, cudaStream_t stream) {
  const int64_t items = a.first * a.second * a.inner;
  if (items == 0) return;
  const unsigned blocks = grid_of(items, kThreads);
  dispatch_size(element_bytes, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (fits_32_bits(items)) {
      reverse_sequences<T, uint32_t>
          <<<blocks, kThreads, 0, stream>>>(a, static_cast<uint32_t>(items));
    } else {
      reverse_sequences<T, uint64_t>
          <<<blocks, kThreads, 0, stream>>>(a, static_cast<uint64_t>(items));
    }
  });
}

}  // namespace penstock::ops
