// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/indexing/embedding_rows.cuh"
#include "ops/matmul/mlp_cuda.h"

namespace penstock::ops {
namespace {

using backends::cuda::from_float;
using backends::cuda::to_float;

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr int kPad = 8;  // halves behind a row: the rows of a fragment lie in different banks

// --- Instructions. Those of clusters are there from compute capability 9.0 on.

__device__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// The address of the same place in block `rank` of the cluster.
template <bool kCluster>
__device__ uint32_t address_in(uint32_t address, int rank) {
#if __CUDA_ARCH__ >= 900
  if constexpr (kCluster) {
    uint32_t there;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
    return there;
  }
#endif
  return address;
}

template <bool kCluster>
__device__ void store_16(uint32_t address, const uint4& value) {
#if __CUDA_ARCH__ >= 900
  if constexpr (kCluster) {
    asm volatile("st.shared::cluster.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(value.x),
                 "r"(value.y), "r"(value.z), "r"(value.w)
                 : "memory");
    return;
  }
#endif
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(address), "r"(value.x), "r"(value.y),
               "r"(value.z), "r"(value.w)
               : "memory");
}

template <bool kCluster>
__device__ void store_2(uint32_t address, uint16_t value) {
#if __CUDA_ARCH__ >= 900
  if constexpr (kCluster) {
    asm volatile("st.shared::cluster.b16 [%0], %1;" ::"r"(address), "h"(value) : "memory");
    return;
  }
#endif
  asm volatile("st.shared.b16 [%0], %1;" ::"r"(address), "h"(value) : "memory");
}

// All threads of the cluster: what was written before arrive() is seen after wait().
template <bool kCluster>
__device__ void arrive() {
#if __CUDA_ARCH__ >= 900
  if constexpr (kCluster) asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
template <bool kCluster>
__device__ void wait() {
#if __CUDA_ARCH__ >= 900
  if constexpr (kCluster) {
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
    return;
  }
#endif
  __syncthreads();
}

template <bool kCluster>
__device__ int rank_in_cluster() {
#if __CUDA_ARCH__ >= 900
  if constexpr (kCluster) {
    uint32_t rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return static_cast<int>(rank);
  }
#endif
  return 0;
}

__device__ void copy_async(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
__device__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until no more than `pending` of the groups committed last are under way.
__device__ void wait_for_copies(int pending) {
  switch (pending) {
    case 0: asm volatile("cp.async.wait_group 0;" ::: "memory"); break;
    case 1: asm volatile("cp.async.wait_group 1;" ::: "memory"); break;
    case 2: asm volatile("cp.async.wait_group 2;" ::: "memory"); break;
    case 3: asm volatile("cp.async.wait_group 3;" ::: "memory"); break;
    case 4: asm volatile("cp.async.wait_group 4;" ::: "memory"); break;
    case 5: asm volatile("cp.async.wait_group 5;" ::: "memory"); break;
    default: asm volatile("cp.async.wait_group 6;" ::: "memory"); break;
  }
}

// Registers of mma.m16n8k16 as the PTX ISA describes them: lane t holds, of the result, columns
// 2 (t mod 4) and the next, of rows t / 4 and 8 more.
struct Accumulator {
  float at[4] = {};
};

template <typename T>
__device__ void multiply(Accumulator& c, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (std::is_same_v<T, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

__device__ void load_matrices(uint32_t (&r)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}

__device__ uint4 load_16(uint32_t address) {
  uint4 value;
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "r"(address)
               : "memory");
  return value;
}

template <typename T>
__device__ uint32_t pack(float low, float high) {
  const T pair[2] = {from_float<T>(low), from_float<T>(high)};
  uint32_t bits;
  memcpy(&bits, pair, sizeof(bits));
  return bits;
}

__device__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

__device__ float activate(float x, const CudaMlpLayer& layer) {
  switch (layer.activation) {
    case MlpActivation::kRelu: return x < 0 ? 0.0f : x;
    case MlpActivation::kLeakyRelu: return x < 0 ? layer.a * x : x;
    case MlpActivation::kClip: return x < layer.a ? layer.a : x > layer.b ? layer.b : x;
    case MlpActivation::kSigmoid: return sigmoid(x);
    case MlpActivation::kTanh: return tanhf(x);
    case MlpActivation::kGelu: return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case MlpActivation::kGeluTanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case MlpActivation::kSilu: return x * sigmoid(x);
    case MlpActivation::kHardSwish:
      return x * fminf(fmaxf(x * (1.0f / 6.0f) + 0.5f, 0.0f), 1.0f);
    case MlpActivation::kHardSigmoid: return fminf(fmaxf(layer.a * x + layer.b, 0.0f), 1.0f);
    case MlpActivation::kElu: return x < 0 ? layer.a * (__expf(x) - 1.0f) : x;
    default: return x;
  }
}

// --- The kernel

// A block's share of everything.
template <typename T, int kRowTiles, bool kCluster>
class Block {
 public:
  __device__ Block(const CudaMlp& mlp, unsigned char* memory)
      : a_(mlp), rank_(rank_in_cluster<kCluster>()) {
    weights_ = shared_address(memory);
    uint32_t bytes = 0;
    for (int l = 0; l < a_.count; ++l) bytes += slice_bytes(a_.layers[l]);
    bias_ = reinterpret_cast<float*>(memory + bytes);
    bytes += static_cast<uint32_t>(a_.bias_floats) * 4;
    buffers_[0] = weights_ + bytes;
    buffers_[1] = buffers_[0] + kRows * a_.strides[0] * 2;
  }

  __device__ void run() {
    arrive<kCluster>();  // the others may write here once all have begun
    fetch_weights();
    fetch_biases();
    const unsigned step = gridDim.x / a_.cluster;
    const auto groups = static_cast<unsigned>((a_.rows.rows + kRows - 1) / kRows);
    bool first = true;
    for (unsigned group = blockIdx.x / a_.cluster; group < groups; group += step) {
      first_row_ = static_cast<int64_t>(group) * kRows;
      rows_ = static_cast<int>(min(static_cast<int64_t>(kRows), a_.rows.rows - first_row_));
      wait<kCluster>();  // the others have read what is written over now
      read_rows();
      clear_columns(buffers_[0], a_.strides[0], a_.rows.columns, a_.layers[0].depth);
      hand_over(first ? a_.count - 1 : 0);
      uint32_t weights = weights_;
      const float* bias = bias_;
      for (int l = 0; l < a_.count; ++l) {
        const CudaMlpLayer& layer = a_.layers[l];
        multiply_layer(l, weights, bias);
        weights += slice_bytes(layer);
        bias += layer.tiles_of_block * kMlpTileColumns;
        if (l + 1 == a_.count) break;
        clear_columns(buffers_[(l + 1) % 2], a_.strides[(l + 1) % 2],
                      layer.tiles * kMlpTileColumns, a_.layers[l + 1].depth);
        hand_over(first ? a_.count - 2 - l : 0);
      }
      first = false;
      arrive<kCluster>();
    }
    wait<kCluster>();
  }

 private:
  static constexpr int kRows = kRowTiles * kMlpTileRows;

  __device__ static uint32_t slice_bytes(const CudaMlpLayer& layer) {
    return static_cast<uint32_t>(layer.tiles_of_block) * layer.depth * kMlpTileBytes;
  }

  // Every layer's copies are a group of their own: the first layer waits for its own only.
  __device__ void fetch_weights() {
    uint32_t to = weights_;
    for (int l = 0; l < a_.count; ++l) {
      const uint32_t bytes = slice_bytes(a_.layers[l]);
      const auto* from = static_cast<const unsigned char*>(a_.layers[l].weights) +
                         static_cast<size_t>(rank_) * bytes;
      for (uint32_t i = threadIdx.x * 16; i < bytes; i += kThreads * 16) {
        copy_async(to + i, from + i);
      }
      commit_copies();
      to += bytes;
    }
  }

  __device__ void fetch_biases() {
    float* to = bias_;
    for (int l = 0; l < a_.count; ++l) {
      const CudaMlpLayer& layer = a_.layers[l];
      const int count = layer.tiles_of_block * kMlpTileColumns;
      for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
        const int column = rank_ * count + i;
        to[i] = layer.bias != nullptr && column < layer.columns
                    ? to_float(static_cast<const T*>(layer.bias)[column])
                    : 0.0f;
      }
      to += count;
    }
  }

  // What this block wrote is seen by all, and the weights of the next layer are here, where no more
  // than `pending` layers' copies need not be.
  __device__ void hand_over(int pending) {
    wait_for_copies(pending);
    arrive<kCluster>();
    wait<kCluster>();
  }

  // The blocks of a cluster share the units of the rows, and give each to all.
  __device__ void read_rows() {
    constexpr int kAtOnce = 4;
    const int units = a_.rows.units;
    const int count = rows_ * units;
    const int step = kThreads * a_.cluster;
    for (int first = rank_ * kThreads + static_cast<int>(threadIdx.x); first < count;
         first += kAtOnce * step) {
      EmbeddingUnit unit[kAtOnce];
      EmbeddingValues<T> values[kAtOnce];
      int row[kAtOnce];
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        const int at = first + k * step;
        row[k] = at < count ? at / units : -1;
        if (row[k] >= 0) unit[k] = find_unit<T>(a_.rows, first_row_ + row[k], at - row[k] * units);
      }
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        if (row[k] >= 0) values[k] = read_unit<T>(unit[k]);
      }
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        if (row[k] >= 0) give(values[k], unit[k], row[k]);
      }
    }
  }

  __device__ void give(const EmbeddingValues<T>& values, const EmbeddingUnit& unit, int row) {
    const uint32_t place = buffers_[0] + (row * a_.strides[0] + unit.column) * 2;
    for (int rank = 0; rank < a_.cluster; ++rank) {
      const uint32_t there = address_in<kCluster>(place, rank);
      if (unit.whole && unit.column % 8 == 0) {
        uint4 bits;
        memcpy(&bits, &values, sizeof(bits));
        store_16<kCluster>(there, bits);
        continue;
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        if (i == 0 || unit.whole) {
          uint16_t bits;
          memcpy(&bits, &values.at[i], sizeof(bits));
          store_2<kCluster>(there + i * 2, bits);
        }
      }
    }
  }

  // Zeros from `column` to the end of the last tile: the weights there are zeros too, but what lies
  // in memory may be no number.
  __device__ void clear_columns(uint32_t buffer, int stride, int column, int depth) {
    const int count = depth * kMlpTileDepth - column;
    for (int i = static_cast<int>(threadIdx.x); i < rows_ * count; i += kThreads) {
      const int row = i / count;
      store_2<false>(buffer + (row * stride + column + i - row * count) * 2, 0);
    }
  }

  __device__ void multiply_layer(int l, uint32_t weights, const float* bias) {
    const CudaMlpLayer& layer = a_.layers[l];
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int first_tile = rank_ * layer.tiles_of_block;
    const int tiles = min(layer.tiles_of_block, layer.tiles - first_tile);
    for (int tile = warp; tile < tiles; tile += kWarps) {
      Accumulator sums[kRowTiles];
      multiply_tile(l, weights + tile * layer.depth * kMlpTileBytes, sums);
      const int column = (first_tile + tile) * kMlpTileColumns;
      if (l + 1 == a_.count) {
        store_result(layer, sums, bias + tile * kMlpTileColumns, column);
      } else {
        store_next(l, sums, bias + tile * kMlpTileColumns, column);
      }
    }
  }

  // Of all rows by one tile of columns.
  __device__ void multiply_tile(int l, uint32_t weights, Accumulator (&sums)[kRowTiles]) {
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t stride = a_.strides[l % 2] * 2;
    const uint32_t row = buffers_[l % 2] + lane % 16 * stride + lane / 16 * 16;
    Accumulator odd[kRowTiles];  // a second chain: an instruction waits for the one before
#pragma unroll 4
    for (int d = 0; d < a_.layers[l].depth; ++d) {
      const uint4 b = load_16(weights + d * kMlpTileBytes + lane * 16);
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) {
        const uint32_t from = row + t * kMlpTileRows * stride + d * kMlpTileDepth * 2;
        uint32_t left[4];
        uint32_t right[4];
        load_matrices(left, from);
        load_matrices(right, from + 32);
        multiply<T>(sums[t], left, b.x, b.y);
        multiply<T>(odd[t], right, b.z, b.w);
      }
    }
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[t].at[i] += odd[t].at[i];
    }
  }

  // Into this block's input of the next layer, and from there, whole rows of the tile, to the
  // others.
  __device__ void store_next(int l, const Accumulator (&sums)[kRowTiles], const float* bias,
                             int column) {
    const CudaMlpLayer& layer = a_.layers[l];
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int stride = a_.strides[(l + 1) % 2];
    const uint32_t place = buffers_[(l + 1) % 2] + column * 2;
    const int pair = lane % 4 * 2;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = t * kMlpTileRows + lane / 4 + half * 8;
        const uint32_t bits =
            pack<T>(activate(sums[t].at[2 * half] + bias[pair], layer),
                    activate(sums[t].at[2 * half + 1] + bias[pair + 1], layer));
        asm volatile("st.shared.b32 [%0], %1;" ::"r"(place + (row * stride + pair) * 2), "r"(bits)
                     : "memory");
      }
    }
    if constexpr (kCluster) {
      __syncwarp();
      for (int i = lane; i < rows_ * a_.cluster; i += 32) {
        const int rank = i / rows_;
        const uint32_t from = place + (i - rank * rows_) * stride * 2;
        if (rank != rank_) store_16<true>(address_in<true>(from, rank), load_16(from));
      }
    }
  }

  __device__ void store_result(const CudaMlpLayer& layer, const Accumulator (&sums)[kRowTiles],
                               const float* bias, int column) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = t * kMlpTileRows + lane / 4 + i / 2 * 8;
        const int within = lane % 4 * 2 + i % 2;
        if (row >= rows_ || column + within >= layer.columns) continue;
        const float value = activate(sums[t].at[i] + bias[within], layer);
        const int64_t at = (first_row_ + row) * layer.columns + column + within;
        if (a_.y_dtype == DataType::kFloat32) {
          static_cast<float*>(a_.y)[at] = value;
        } else {
          static_cast<T*>(a_.y)[at] = from_float<T>(value);
        }
      }
    }
  }

  const CudaMlp& a_;
  int rank_;
  uint32_t weights_;
  float* bias_;
  uint32_t buffers_[2];
  int64_t first_row_ = 0;
  int rows_ = 0;
};

template <typename T, int kRowTiles, bool kCluster>
__global__ void __launch_bounds__(kThreads, 1) mlp_kernel(const __grid_constant__ CudaMlp mlp) {
  extern __shared__ __align__(16) unsigned char memory[];
  Block<T, kRowTiles, kCluster>(mlp, memory).run();
}

using KernelFunction = void (*)(const CudaMlp);

template <typename T>
KernelFunction kernel_of_type(const CudaMlp& mlp) {
  if (mlp.cluster == 1) {
    return mlp.row_tiles == 1 ? mlp_kernel<T, 1, false> : mlp_kernel<T, 4, false>;
  }
  return mlp.row_tiles == 1 ? mlp_kernel<T, 1, true> : mlp_kernel<T, 4, true>;
}

KernelFunction kernel_of(const CudaMlp& mlp) {
  return mlp.dtype == DataType::kFloat16 ? kernel_of_type<__half>(mlp)
                                         : kernel_of_type<__nv_bfloat16>(mlp);
}

struct Launch {
  cudaLaunchConfig_t config = {};
  cudaLaunchAttribute attribute = {};

  Launch(const CudaMlp& mlp, int64_t shared_bytes, cudaStream_t stream) {
    const auto cluster = static_cast<unsigned>(mlp.cluster);
    config.gridDim = dim3(mlp.clusters * cluster);
    config.blockDim = dim3(kThreads);
    config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
    config.stream = stream;
    if (mlp.cluster == 1) return;
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = cluster;
    attribute.val.clusterDim.y = 1;
    attribute.val.clusterDim.z = 1;
    config.attrs = &attribute;
    config.numAttrs = 1;
  }
};

}  // namespace

int64_t lay_out_mlp(CudaMlp& mlp) {
  int64_t weights = 0;
  mlp.strides[0] = mlp.strides[1] = 0;
  mlp.bias_floats = 0;
  for (int l = 0; l < mlp.count; ++l) {
    const CudaMlpLayer& layer = mlp.layers[l];
    weights += int64_t{layer.tiles_of_block} * layer.depth * kMlpTileBytes;
    mlp.bias_floats += layer.tiles_of_block * kMlpTileColumns;
    mlp.strides[l % 2] = std::max(mlp.strides[l % 2], layer.depth * kMlpTileDepth + kPad);
  }
  return weights + int64_t{mlp.bias_floats} * 4 +
         int64_t{mlp.row_tiles} * kMlpTileRows * (mlp.strides[0] + mlp.strides[1]) * 2;
}

int most_mlp_clusters(const CudaMlp& mlp, int64_t shared_bytes) {
  const auto kernel = kernel_of(mlp);
  int count = 0;
  cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            static_cast<int>(shared_bytes));
  if (status == cudaSuccess && mlp.cluster > 1) {
    const Launch launch(mlp, shared_bytes, nullptr);
    status = cudaOccupancyMaxActiveClusters(&count, kernel, &launch.config);
  } else if (status == cudaSuccess) {
    int device = 0;
    int processors = 0;
    (void)cudaGetDevice(&device);
    (void)cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device);
    status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&count, kernel, kThreads,
                                                           static_cast<size_t>(shared_bytes));
    count *= processors;
  }
  if (status == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}

cudaError_t launch_mlp(const CudaMlp& mlp, int64_t shared_bytes, cudaStream_t stream) {
  const Launch launch(mlp, shared_bytes, stream);
  return cudaLaunchKernelEx(&launch.config, kernel_of(mlp), mlp);
}

}  // namespace penstock::ops
