// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/activation.cuh"
#include "ops/indexing/embedding_rows.cuh"
#include "ops/matmul/mlp_cuda.h"
#include "ops/matmul/mlp_instructions.cuh"

namespace penstock::ops {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr int kPad = 8;  // halves behind a row: the rows of a fragment lie in different banks
constexpr int kBarrierBytes = 128;

// What is less common is not worth its code in every place.
__device__ __noinline__ float activate_by_call(EpilogueStep::Kind kind, float a, float b, float x) {
  return activate(kind, a, b, 0.0f, x);
}

__device__ float activate(float x, const CudaMlpLayer& layer) {
  if (!layer.has_activation) return x;
  if (layer.activation == EpilogueStep::Kind::kRelu) return x < 0 ? 0.0f : x;
  return activate_by_call(layer.activation, layer.a, layer.b, x);
}

// A block's share of everything. Its shared memory: barriers, weights, biases, and the inputs of
// even layers and of odd ones.
template <typename T, int kRowTiles>
class Block {
 public:
  __device__ Block(const CudaMlp& mlp, uint32_t memory)
      : a_(mlp), rank_(rank_in_cluster()), weights_(memory + kBarrierBytes) {
    barriers_ = memory;
    uint32_t bytes = 0;
    for (int l = 0; l < a_.count; ++l) bytes += slice_bytes(l);
    biases_ = weights_ + bytes;
    even_ = biases_ + static_cast<uint32_t>(a_.bias_floats) * 4;
    odd_ = even_ + kRows * a_.strides[0] * 2;
  }

  __device__ void run() {
    if (threadIdx.x == 0) fetch_weights();
    __syncwarp();
    arrive_in_cluster();  // the others may send once all have made their barriers
    fetch_biases();
    const unsigned step = gridDim.x / a_.cluster;
    const auto groups = static_cast<unsigned>((a_.rows.rows + kRows - 1) / kRows);
    for (unsigned group = blockIdx.x / a_.cluster; group < groups; group += step) {
      first_row_ = static_cast<int64_t>(group) * kRows;
      rows_ = static_cast<int>(min(static_cast<int64_t>(kRows), a_.rows.rows - first_row_));
      wait_in_cluster();  // the others have read what is written over now
      read_rows();
      uint32_t weights = weights_;
      uint32_t biases = biases_;
      for (int l = 0; l < a_.count; ++l) {
        wait_for_input(l);
        wait_for(weights_barrier(l), 0);
        __syncwarp();
        multiply_layer(l, weights, biases);
        weights += slice_bytes(l);
        biases += a_.layers[l].tiles_of_block * kMlpTileColumns * 4;
      }
      __syncwarp();
      arrive_in_cluster();
    }
    wait_in_cluster();
  }

 private:
  static constexpr int kRows = kRowTiles * kMlpTileRows;

  __device__ uint32_t slice_bytes(int l) const {
    return static_cast<uint32_t>(a_.layers[l].tiles_of_block) * a_.layers[l].depth * kMlpTileBytes;
  }
  __device__ uint32_t input(int l) const { return l % 2 == 0 ? even_ : odd_; }
  __device__ uint32_t input_barrier(int l) const { return barriers_ + l % 2 * 8; }
  __device__ uint32_t weights_barrier(int l) const { return barriers_ + 16 + l * 8; }
  __device__ int tiles_here(const CudaMlpLayer& layer) const {
    return max(0, min(layer.tiles_of_block, layer.tiles - rank_ * layer.tiles_of_block));
  }

  // One thread makes the barriers, and starts the copies of all weights.
  __device__ void fetch_weights() const {
    make_barrier(input_barrier(0), kWarps);
    make_barrier(input_barrier(1), kWarps);
    for (int l = 0; l < a_.count; ++l) make_barrier(weights_barrier(l), 1);
    publish_barriers();
    uint32_t to = weights_;
    for (int l = 0; l < a_.count; ++l) {
      const uint32_t bytes = slice_bytes(l);
      arrive_and_expect(weights_barrier(l), bytes);
      copy_bulk(to,
                static_cast<const unsigned char*>(a_.layers[l].weights) +
                    static_cast<size_t>(rank_) * bytes,
                bytes, weights_barrier(l));
      to += bytes;
    }
  }

  __device__ void fetch_biases() const {
    for (int i = static_cast<int>(threadIdx.x); i < a_.bias_floats; i += kThreads) {
      int l = 0;
      int within = i;
      while (within >= a_.layers[l].tiles_of_block * kMlpTileColumns) {
        within -= a_.layers[l++].tiles_of_block * kMlpTileColumns;
      }
      const CudaMlpLayer& layer = a_.layers[l];
      const int column = rank_ * layer.tiles_of_block * kMlpTileColumns + within;
      float bias = 0;
      if (layer.bias != nullptr && column < layer.columns) {
        bias = backends::cuda::to_float(static_cast<const T*>(layer.bias)[column]);
      }
      store_4(biases_ + i * 4, __float_as_uint(bias));
    }
  }

  // The input of layer l as this warp has it, and what the others send, in bytes.
  __device__ void hand_over(int l, uint32_t bytes) const {
    __syncwarp();
    if (threadIdx.x == 0) {
      arrive_and_expect(input_barrier(l), bytes);
    } else if (threadIdx.x % 32 == 0) {
      arrive(input_barrier(l));
    }
  }
  __device__ void wait_for_input(int l) {
    const uint32_t bit = 1u << (l % 2);
    wait_for(input_barrier(l), (phases_ & bit) != 0 ? 1 : 0);
    phases_ ^= bit;
  }

  // The blocks of a cluster share the aligned units of the rows, and send each to all; the others
  // every block reads for itself. Threads that have the one kind need not have the other.
  __device__ void read_rows() {
    const int aligned = rows_ * a_.rows.aligned_units;
    const int own_units = a_.rows.units - a_.rows.aligned_units;
    const int own = rows_ * own_units;
    const int step = kThreads * a_.cluster;
    int shared_at = rank_ * kThreads + static_cast<int>(threadIdx.x);
    int own_at = kThreads - 1 - static_cast<int>(threadIdx.x);
    while (shared_at < aligned || own_at < own) {
      EmbeddingUnit mine;
      EmbeddingValues<T> my_values;
      int my_row = 0;
      if (own_at < own) {
        my_row = own_at / own_units;
        mine = find_unit<T>(a_.rows, first_row_ + my_row,
                            a_.rows.aligned_units + own_at - my_row * own_units);
        my_values = read_unit<T>(mine);
      }
      if (shared_at < aligned) {
        const int row = shared_at / a_.rows.aligned_units;
        const EmbeddingUnit unit =
            find_unit<T>(a_.rows, first_row_ + row, shared_at - row * a_.rows.aligned_units);
        send(bits_of(read_unit<T>(unit)), 0, place_of(row, unit.column));
      }
      if (own_at < own) keep(my_values, mine, place_of(my_row, mine.column));
      shared_at += step;
      own_at += kThreads;
    }
    clear_columns(0, a_.rows.columns);
    const int rest = aligned % step - rank_ * kThreads;
    const int here = aligned / step * kThreads + min(max(rest, 0), kThreads);
    hand_over(0, static_cast<uint32_t>(aligned - here) * 16);
  }

  __device__ uint32_t place_of(int row, int column) const {
    return even_ + (row * a_.strides[0] + column) * 2;
  }
  __device__ static uint4 bits_of(const EmbeddingValues<T>& values) {
    uint4 bits;
    memcpy(&bits, &values, sizeof(bits));
    return bits;
  }
  __device__ static void keep(const EmbeddingValues<T>& values, const EmbeddingUnit& unit,
                              uint32_t place) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      uint16_t bits;
      memcpy(&bits, &values.at[i], sizeof(bits));
      if (i == 0 || unit.whole) store_2(place + i * 2, bits);
    }
  }
  // 16 bytes of the input of layer l, into the memory of every block.
  __device__ void send(const uint4& bits, int l, uint32_t place) const {
    for (int rank = 0; rank < a_.cluster; ++rank) {
      if (rank == rank_) {
        store_16(place, bits);
      } else {
        send_16(in_block(place, rank), bits, in_block(input_barrier(l), rank));
      }
    }
  }

  // Zeros from `column` to the end of the last tile of layer l's input: the weights there are zeros
  // too, but what lies in memory may be no number.
  __device__ void clear_columns(int l, int column) const {
    const int count = a_.layers[l].depth * kMlpTileDepth - column;
    if (count == 0) return;
    for (int i = static_cast<int>(threadIdx.x); i < rows_ * count; i += kThreads) {
      const int row = i / count;
      store_2(input(l) + (row * a_.strides[l % 2] + column + i - row * count) * 2, 0);
    }
  }

  __device__ void multiply_layer(int l, uint32_t weights, uint32_t biases) {
    const CudaMlpLayer& layer = a_.layers[l];
    const bool is_last = l + 1 == a_.count;
    const int tiles = tiles_here(layer);
    for (int tile = static_cast<int>(threadIdx.x) / 32; tile < tiles; tile += kWarps) {
      Accumulator sums[kRowTiles];
      multiply_tile(l, weights + tile * layer.depth * kMlpTileBytes, sums);
      add_and_activate(layer, biases + tile * kMlpTileColumns * 4, sums);
      const int column = (rank_ * layer.tiles_of_block + tile) * kMlpTileColumns;
      if (is_last) {
        store_result(layer, sums, column);
      } else {
        store_next(l + 1, sums, column);
      }
    }
    if (is_last) return;
    clear_columns(l + 1, layer.tiles * kMlpTileColumns);
    hand_over(l + 1, static_cast<uint32_t>(rows_ * (layer.tiles - tiles)) * 16);
  }

  // Of all rows by one tile of columns.
  __device__ void multiply_tile(int l, uint32_t weights, Accumulator (&sums)[kRowTiles]) const {
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t stride = a_.strides[l % 2] * 2;
    uint32_t row = input(l) + lane % 16 * stride + lane / 16 * 16;
    weights += lane * 16;
    Accumulator odd[kRowTiles];  // a second chain: an instruction waits for the one before
    const int depth = a_.layers[l].depth;
#pragma unroll 4
    for (int d = 0; d < depth; ++d) {
      const uint4 b = load_16(weights + d * kMlpTileBytes);
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

  __device__ void add_and_activate(const CudaMlpLayer& layer, uint32_t biases,
                                   Accumulator (&sums)[kRowTiles]) const {
    const uint32_t pair = biases + threadIdx.x % 4 * 8;
    const float bias[2] = {load_float_shared(pair), load_float_shared(pair + 4)};
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sums[t].at[i] = activate(sums[t].at[i] + bias[i % 2], layer);
      }
    }
  }

  // Into this block's input of layer l, and from there, whole rows of the tile, to the others.
  __device__ void store_next(int l, const Accumulator (&sums)[kRowTiles], int column) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int stride = a_.strides[l % 2] * 2;
    const uint32_t place = input(l) + column * 2;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = t * kMlpTileRows + lane / 4 + half * 8;
        store_4(place + row * stride + lane % 4 * 4,
                pack<T>(sums[t].at[2 * half], sums[t].at[2 * half + 1]));
      }
    }
    __syncwarp();
    for (int i = lane; i < kRows * a_.cluster; i += 32) {
      const int rank = i / kRows;
      const int row = i % kRows;
      if (rank == rank_ || row >= rows_) continue;
      const uint32_t from = place + row * stride;
      send_16(in_block(from, rank), load_16(from), in_block(input_barrier(l), rank));
    }
  }

  __device__ void store_result(const CudaMlpLayer& layer, const Accumulator (&sums)[kRowTiles],
                               int column) const {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = t * kMlpTileRows + lane / 4 + i / 2 * 8;
        const int at_column = column + lane % 4 * 2 + i % 2;
        if (row >= rows_ || at_column >= layer.columns) continue;
        const int64_t at = (first_row_ + row) * layer.columns + at_column;
        if (a_.y_dtype == DataType::kFloat32) {
          static_cast<float*>(a_.y)[at] = sums[t].at[i];
        } else {
          static_cast<T*>(a_.y)[at] = backends::cuda::from_float<T>(sums[t].at[i]);
        }
      }
    }
  }

  const CudaMlp& a_;
  int rank_;
  uint32_t barriers_ = 0;  // two of inputs, and one for each layer's weights
  uint32_t weights_ = 0;
  uint32_t biases_ = 0;
  uint32_t even_ = 0;
  uint32_t odd_ = 0;
  int64_t first_row_ = 0;
  int rows_ = 0;
  uint32_t phases_ = 0;  // of the barriers of inputs
};

template <typename T, int kRowTiles>
__global__ void __launch_bounds__(kThreads, 1) mlp_kernel(const __grid_constant__ CudaMlp mlp) {
  extern __shared__ __align__(128) unsigned char memory[];
  Block<T, kRowTiles>(mlp, shared_address(memory)).run();
}

using KernelFunction = void (*)(const CudaMlp);

template <typename T>
KernelFunction kernel_of_type(const CudaMlp& mlp) {
  return mlp.row_tiles == 1 ? mlp_kernel<T, 1> : mlp_kernel<T, 4>;
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
  return kBarrierBytes + weights + int64_t{mlp.bias_floats} * 4 +
         int64_t{mlp.row_tiles} * kMlpTileRows * (mlp.strides[0] + mlp.strides[1]) * 2;
}

int most_mlp_clusters(const CudaMlp& mlp, int64_t shared_bytes) {
  const auto kernel = kernel_of(mlp);
  int count = 0;
  cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            static_cast<int>(shared_bytes));
  if (status == cudaSuccess) {
    const Launch launch(mlp, shared_bytes, nullptr);
    status = cudaOccupancyMaxActiveClusters(&count, kernel, &launch.config);
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
