// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/reduction/accumulate.cuh"
#include "ops/reduction/reduction_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kRowThreads = 256;
constexpr int kRowsPerBlock = 8;      // of kernels with a warp for each row
constexpr int kColumnThreads = 8;     // that share a column
constexpr int64_t kManyBlocks = 256;  // keep every multiprocessor busy

struct DeviceAxes {
  int axes;
  Divisor extents[kMaxReduceAxes];
  int64_t strides[kMaxReduceAxes];

  explicit DeviceAxes(const ReduceAxes& from) : axes(from.axes) {
    for (int d = 0; d < kMaxReduceAxes; ++d) {
      extents[d] = Divisor(d < axes ? from.extents[d] : 1);
      strides[d] = from.strides[d];
    }
  }
  // Where place i lies, in elements.
  __device__ int64_t offset(uint32_t i) const {
    int64_t at = 0;
    for (int d = axes - 1; d > 0; --d) at += int64_t{extents[d].split(i)} * strides[d];
    return at + int64_t{i} * strides[0];
  }
};

// Arguments in units that kernels take. The reduced axes count packs.
struct ReduceKernel {
  const void* x;
  void* y;
  void* partial;  // states, [parts, outputs], or null
  DeviceAxes kept;
  DeviceAxes reduced;
  uint32_t outputs;
  uint32_t packs;  // of each output
  uint32_t parts;
  Accumulation accumulation;
  Magnitude magnitude;
  Ending ending;
  int64_t count;  // elements of each output

  // The packs of part p begin here.
  __device__ uint32_t begin(uint32_t p) const {
    return static_cast<uint32_t>(uint64_t{packs} * p / parts);
  }
};

// What has been seen: a sum, a product, an extreme; for log-sum-exp the largest, and the sum of
// the others relative to it.
template <typename A>
struct State {
  A value;
  A sum;
};

template <typename T>
__device__ State<Accumulator<T>> start(const ReduceKernel& k) {
  using A = Accumulator<T>;
  switch (k.accumulation) {
    case Accumulation::kProduct: return {A(1), A(0)};
    case Accumulation::kMax:
    case Accumulation::kLogSumExp: return {end_of_range<T>(false), A(0)};
    case Accumulation::kMin: return {end_of_range<T>(true), A(0)};
    default: return {A(0), A(0)};
  }
}

// A NaN wins.
template <typename A>
__device__ A larger(A a, A b) {
  return b > a || b != b ? b : a;
}
template <typename A>
__device__ A smaller(A a, A b) {
  return b < a || b != b ? b : a;
}

template <typename A>
__device__ A exponential(A x) {
  if constexpr (std::is_same_v<A, double>) {
    return exp(x);
  } else {
    return static_cast<A>(expf(static_cast<float>(x)));
  }
}

// What goes into the state of a log-sum-exp: `sum` relative to `value`.
template <typename A>
__device__ void add_exponential(State<A>& state, A value, A sum) {
  if (value > state.value) {
    state.sum = state.sum * exponential(state.value - value) + sum;
    state.value = value;
  } else if (value == end_of_range<float>(false)) {
    if (sum != sum) state.sum = sum;  // minus infinity adds nothing
  } else {
    state.sum += sum * exponential(value - state.value);
  }
}

template <typename A, int Count>
__device__ void add(const ReduceKernel& k, State<A>& state, A (&values)[Count]) {
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    if (k.magnitude == Magnitude::kSquare) values[i] *= values[i];
    if (k.magnitude == Magnitude::kAbsolute) values[i] = values[i] < A(0) ? -values[i] : values[i];
  }
  switch (k.accumulation) {
    case Accumulation::kSum:
#pragma unroll
      for (int i = 0; i < Count; ++i) state.value += values[i];
      break;
    case Accumulation::kMax:
#pragma unroll
      for (int i = 0; i < Count; ++i) state.value = larger(state.value, values[i]);
      break;
    case Accumulation::kMin:
#pragma unroll
      for (int i = 0; i < Count; ++i) state.value = smaller(state.value, values[i]);
      break;
    case Accumulation::kProduct:
#pragma unroll
      for (int i = 0; i < Count; ++i) state.value *= values[i];
      break;
    case Accumulation::kLogSumExp:
      if constexpr (std::is_floating_point_v<A>) {
#pragma unroll 1
        for (int i = 0; i < Count; ++i) add_exponential(state, values[i], A(1));
      }
      break;
  }
}

template <typename A>
__device__ void merge(const ReduceKernel& k, State<A>& state, const State<A>& other) {
  switch (k.accumulation) {
    case Accumulation::kSum: state.value += other.value; break;
    case Accumulation::kMax: state.value = larger(state.value, other.value); break;
    case Accumulation::kMin: state.value = smaller(state.value, other.value); break;
    case Accumulation::kProduct: state.value *= other.value; break;
    case Accumulation::kLogSumExp:
      if constexpr (std::is_floating_point_v<A>) add_exponential(state, other.value, other.sum);
      break;
  }
}

template <typename T>
__device__ T finish(const ReduceKernel& k, const State<Accumulator<T>>& state) {
  using A = Accumulator<T>;
  A value = state.value;
  if constexpr (std::is_integral_v<A>) {
    if (k.ending == Ending::kMean) value = k.count == 0 ? 0 : value / k.count;
  } else {
    if (k.ending == Ending::kMean) value /= static_cast<A>(k.count);
    if (k.ending == Ending::kRoot) value = sqrt(value);
    if (k.ending == Ending::kLog) value = log(value);
    if (k.accumulation == Accumulation::kLogSumExp && !isinf(value)) value += log(state.sum);
  }
  return from_accumulator<T>(value);
}

// The end of output `o` in part `part`: a result, or what is merged later.
template <typename T>
__device__ void store(const ReduceKernel& k, uint32_t o, uint32_t part,
                      const State<Accumulator<T>>& state) {
  if (k.partial == nullptr) {
    static_cast<T*>(k.y)[o] = finish<T>(k, state);
  } else {
    static_cast<State<Accumulator<T>>*>(k.partial)[int64_t{part} * k.outputs + o] = state;
  }
}

template <typename A>
__device__ void merge_warp(const ReduceKernel& k, State<A>& state) {
#pragma unroll 1
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const State<A> other = {__shfl_xor_sync(0xffffffffu, state.value, offset),
                            __shfl_xor_sync(0xffffffffu, state.sum, offset)};
    merge(k, state, other);
  }
}

template <typename T, int Width>
__device__ void load(const T* from, Accumulator<T> (&values)[Width]) {
  const Pack<T, Width> pack = *reinterpret_cast<const Pack<T, Width>*>(from);
#pragma unroll
  for (int i = 0; i < Width; ++i) values[i] = to_accumulator(pack.at[i]);
}

// The innermost axis of x is reduced: a warp, or a block, for each output.
template <typename T, int Width, bool kWarpRow>
__global__ void reduce_rows(const __grid_constant__ ReduceKernel k) {
  using A = Accumulator<T>;
  const uint32_t o = kWarpRow ? blockIdx.x * kRowsPerBlock + threadIdx.y : blockIdx.x;
  if (o >= k.outputs) return;  // a whole warp, or a whole block
  const T* x = static_cast<const T*>(k.x) + k.kept.offset(o);
  State<A> state = start<T>(k);
  const uint32_t end = k.begin(blockIdx.y + 1);
#pragma unroll 4
  for (uint32_t p = k.begin(blockIdx.y) + threadIdx.x; p < end; p += blockDim.x) {
    A values[Width];
    load<T, Width>(x + k.reduced.offset(p), values);
    add(k, state, values);
  }
  merge_warp(k, state);
  if constexpr (!kWarpRow) {
    __shared__ State<A> of_warps[kRowThreads / kWarp];
    if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = state;
    __syncthreads();
    state = start<T>(k);
    if (threadIdx.x < kRowThreads / kWarp) state = of_warps[threadIdx.x];
    if (threadIdx.x < kWarp) merge_warp(k, state);
  }
  if (threadIdx.x == 0) store<T>(k, o, blockIdx.y, state);
}

// The innermost axis is kept: neighbouring threads have neighbouring outputs.
template <typename T>
__global__ void reduce_columns(const __grid_constant__ ReduceKernel k) {
  using A = Accumulator<T>;
  __shared__ State<A> shared[kColumnThreads][kWarp];
  const uint32_t o = blockIdx.x * kWarp + threadIdx.x;
  State<A> state = start<T>(k);
  if (o < k.outputs) {
    const T* x = static_cast<const T*>(k.x) + k.kept.offset(o);
    const uint32_t end = k.begin(blockIdx.y + 1);
#pragma unroll 4
    for (uint32_t p = k.begin(blockIdx.y) + threadIdx.y; p < end; p += kColumnThreads) {
      A values[1] = {to_accumulator(x[k.reduced.offset(p)])};
      add(k, state, values);
    }
  }
  shared[threadIdx.y][threadIdx.x] = state;
  __syncthreads();
  if (threadIdx.y != 0 || o >= k.outputs) return;
  for (int i = 1; i < kColumnThreads; ++i) merge(k, state, shared[i][threadIdx.x]);
  store<T>(k, o, blockIdx.y, state);
}

// The parts of each output.
template <typename T>
__global__ void merge_parts(const __grid_constant__ ReduceKernel k) {
  using A = Accumulator<T>;
  const uint32_t o = blockIdx.x * kRowsPerBlock + threadIdx.y;
  if (o >= k.outputs) return;  // a whole warp
  State<A> state = start<T>(k);
  for (uint32_t part = threadIdx.x; part < k.parts; part += kWarp) {
    merge(k, state, static_cast<const State<A>*>(k.partial)[int64_t{part} * k.outputs + o]);
  }
  merge_warp(k, state);
  if (threadIdx.x == 0) static_cast<T*>(k.y)[o] = finish<T>(k, state);
}

// The reduced axes in packs, where all of them begin at multiples of one.
bool widen(const ReduceArguments& a, int width, ReduceAxes& reduced) {
  const int last = a.reduced.axes - 1;
  bool fits = a.is_inner && is_aligned(a.x, 16) && a.reduced.strides[last] == 1 &&
              a.reduced.extents[last] % width == 0;
  for (int d = 0; d < last; ++d) fits = fits && a.reduced.strides[d] % width == 0;
  for (int d = 0; d < a.kept.axes; ++d) fits = fits && a.kept.strides[d] % width == 0;
  if (!fits) return false;
  reduced.extents[last] /= width;
  reduced.strides[last] = width;
  reduced.count /= width;
  return true;
}

template <typename T>
void launch(const ReduceArguments& a, cudaStream_t stream) {
  constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
  ReduceAxes reduced = a.reduced;
  const bool wide = widen(a, kWidth, reduced);
  ReduceKernel k{.x = a.x,
                 .y = a.y,
                 .partial = a.parts > 1 ? a.workspace : nullptr,
                 .kept = DeviceAxes(a.kept),
                 .reduced = DeviceAxes(reduced),
                 .outputs = static_cast<uint32_t>(a.kept.count),
                 .packs = static_cast<uint32_t>(reduced.count),
                 .parts = static_cast<uint32_t>(a.parts),
                 .accumulation = a.accumulation,
                 .magnitude = a.magnitude,
                 .ending = a.ending,
                 .count = a.reduced.count};
  const unsigned shared_rows = (k.outputs + kRowsPerBlock - 1) / kRowsPerBlock;
  const dim3 warps(kWarp, kRowsPerBlock);
  const bool is_short = reduced.count <= 512 && a.parts == 1;
  if (!a.is_inner) {
    const dim3 grid((k.outputs + kWarp - 1) / kWarp, k.parts);
    reduce_columns<T><<<grid, dim3(kWarp, kColumnThreads), 0, stream>>>(k);
  } else if (is_short) {
    wide ? reduce_rows<T, kWidth, true><<<shared_rows, warps, 0, stream>>>(k)
         : reduce_rows<T, 1, true><<<shared_rows, warps, 0, stream>>>(k);
  } else {
    const dim3 grid(k.outputs, k.parts);
    wide ? reduce_rows<T, kWidth, false><<<grid, kRowThreads, 0, stream>>>(k)
         : reduce_rows<T, 1, false><<<grid, kRowThreads, 0, stream>>>(k);
  }
  if (a.parts > 1) merge_parts<T><<<shared_rows, warps, 0, stream>>>(k);
}

}  // namespace

int64_t reduce_parts(const ReduceArguments& a) {
  // What a part must have to be worth a block, and the blocks there are without parts.
  const int64_t least = a.is_inner ? 8192 : 64;
  const int64_t blocks = a.is_inner ? a.kept.count : (a.kept.count + kWarp - 1) / kWarp;
  if (blocks == 0 || blocks >= kManyBlocks) return 1;
  return std::max<int64_t>(
      1, std::min({a.reduced.count / least, kManyBlocks / blocks, int64_t{kManyBlocks}}));
}

size_t reduce_workspace_bytes(const ReduceArguments& a) {
  return a.parts > 1 ? static_cast<size_t>(a.parts * a.kept.count) * sizeof(State<double>) : 0;
}

bool has_reduce(DataType type) {
  return dispatch_number(type, [](auto) {});
}

void launch_reduce(const ReduceArguments& arguments, cudaStream_t stream) {
  if (arguments.kept.count == 0) return;
  dispatch_number(arguments.type,
                  [&](auto tag) { launch<typename decltype(tag)::type>(arguments, stream); });
}

}  // namespace penstock::ops
