// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Attention on the tensor cores, scores never leaving the registers (Dao, "FlashAttention-2", 2023).
#include "backends/cuda/device_types.cuh"
#include "ops/attention/attention_cuda.h"

namespace penstock::ops {
namespace {

using backends::cuda::to_float;

constexpr int kWarps = 4;
constexpr int kQueries = 16 * kWarps;  // of a block: a warp has the 16 rows of a matrix instruction
constexpr int kKeys = 64;              // of a tile
constexpr int kPad = 8;  // halves behind a row of a tile: rows of a fragment lie in different banks
constexpr float kLog2E = 1.4426950408889634f;

// Registers of the instruction mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): lane t
// holds, of the result, columns 2 (t mod 4) and the next, of rows t / 4 and 8 more.
struct FragmentA {
  uint32_t at[4];
};
struct FragmentB {
  uint32_t at[2];
};
struct Accumulator {
  float at[4];
};

template <typename T>
__device__ void multiply(Accumulator& c, const FragmentA& a, const FragmentB& b) {
  if constexpr (std::is_same_v<T, __half>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "r"(b.at[0]), "r"(b.at[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "r"(b.at[0]), "r"(b.at[1]));
  }
}

__device__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// Four 8x8 matrices, whose rows are at the addresses that lanes 0-7, 8-15, 16-23 and 24-31 give.
__device__ void load_matrices(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row)));
}
__device__ void load_matrices_transposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row)));
}

// 16 bytes into shared memory, in the background; zeros where `inside` is false.
__device__ void copy_async(void* to, const void* from, bool inside) {
  const int bytes = inside ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
               "l"(from), "r"(bytes));
}
__device__ void commit_copies() { asm volatile("cp.async.commit_group;"); }
template <int Pending>
__device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending));
}

template <typename T>
__device__ uint32_t pack(float low, float high) {
  if constexpr (std::is_same_v<T, __half>) {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  } else {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
  }
}

// `Rows` rows of D elements each, from row `first` of `count`.
template <typename T, int D, int Rows>
__device__ void load_rows(T* tile, const T* rows, int64_t row_stride, int first, int count) {
  constexpr int kChunks = D / 8;
  for (int at = threadIdx.x; at < Rows * kChunks; at += kWarps * 32) {
    const int row = at / kChunks;
    const int chunk = at % kChunks;
    const bool inside = first + row < count;
    const int64_t source = inside ? first + row : 0;
    copy_async(tile + row * (D + kPad) + chunk * 8, rows + source * row_stride + chunk * 8, inside);
  }
}

__device__ float read_mask(const CudaAttentionArguments& a, int64_t at) {
  switch (a.mask_dtype) {
    case DataType::kBool: return static_cast<const uint8_t*>(a.mask)[at] != 0 ? 0.0f : -INFINITY;
    case DataType::kFloat16: return to_float(static_cast<const __half*>(a.mask)[at]);
    case DataType::kBFloat16: return to_float(static_cast<const __nv_bfloat16*>(a.mask)[at]);
    default: return static_cast<const float*>(a.mask)[at];
  }
}

// Largest of a row: its columns are spread over the four lanes of a quad.
__device__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}
__device__ float quad_sum(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}

template <typename T, int D>
struct Tiles {
  T keys[2][kKeys * (D + kPad)];
  T values[2][kKeys * (D + kPad)];
  float mask[2][kKeys];  // where all queries share it
};

// What is added to the scores.
enum class Mask {
  kNone,
  kByKey,  // the same for every query: read once a tile
  kByScore,
};

template <typename T, int D, Mask mask_kind>
__global__ void __launch_bounds__(kWarps * 32)
    attention_mma_kernel(const __grid_constant__ CudaAttentionArguments a) {
  extern __shared__ __align__(16) unsigned char shared[];
  auto& tiles = *reinterpret_cast<Tiles<T, D>*>(shared);
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int h = blockIdx.y;
  const int b = blockIdx.z;
  const int first_query = blockIdx.x * kQueries;
  const T* q = static_cast<const T*>(a.q) + b * a.q_rows.batch + h * a.q_rows.head;
  const T* k = static_cast<const T*>(a.k) + b * a.k_rows.batch + h * a.k_rows.head;
  const T* v = static_cast<const T*>(a.v) + b * a.v_rows.batch + h * a.v_rows.head;

  // The queries pass through the first tile's place.
  T* query_tile = tiles.keys[0];
  static_assert(kQueries <= kKeys);
  load_rows<T, D, kQueries>(query_tile, q, a.q_rows.row, first_query, a.queries);
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();
  FragmentA queries[D / 16];
#pragma unroll
  for (int step = 0; step < D / 16; ++step) {
    const int row = warp * 16 + lane % 16;
    load_matrices(queries[step].at, query_tile + row * (D + kPad) + step * 16 + lane / 16 * 8);
  }
  __syncthreads();

  const int64_t mask_base = b % a.mask_batches * a.mask_strides[0] + h * a.mask_strides[1];
  const int offset = a.keys - a.queries;  // causal: query i sees keys up to i + offset
  int key_end = a.keys;
  if (a.causal) key_end = min(a.keys, first_query + kQueries + offset);
  const int tile_count = max(0, (key_end + kKeys - 1) / kKeys);
  const auto fetch = [&](int tile) {
    load_rows<T, D, kKeys>(tiles.keys[tile % 2], k, a.k_rows.row, tile * kKeys, a.keys);
    load_rows<T, D, kKeys>(tiles.values[tile % 2], v, a.v_rows.row, tile * kKeys, a.keys);
    commit_copies();
    const int j = tile * kKeys + threadIdx.x;
    if (mask_kind == Mask::kByKey && threadIdx.x < kKeys && j < a.keys) {
      tiles.mask[tile % 2][threadIdx.x] = read_mask(a, mask_base + j * a.mask_strides[3]) * kLog2E;
    }
  };
  if (tile_count > 0) fetch(0);

  const int rows[2] = {first_query + warp * 16 + lane / 4, first_query + warp * 16 + lane / 4 + 8};
  Accumulator out[D / 8] = {};
  float most[2] = {-INFINITY, -INFINITY};
  float total[2] = {0.0f, 0.0f};
  const float scale = a.scale * kLog2E;

  for (int tile = 0; tile < tile_count; ++tile) {
    if (tile + 1 < tile_count) {
      fetch(tile + 1);
      wait_for_copies<1>();
    } else {
      wait_for_copies<0>();
    }
    __syncthreads();
    const T* keys = tiles.keys[tile % 2];
    const T* values = tiles.values[tile % 2];

    Accumulator scores[kKeys / 8] = {};
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        // Keys are the columns of the second operand: rows of the tile as they lie.
        uint32_t r[4];
        const int row = n * 16 + lane / 16 * 8 + lane % 8;
        load_matrices(r, keys + row * (D + kPad) + step * 16 + lane / 8 % 2 * 8);
        multiply<T>(scores[2 * n], queries[step], FragmentB{{r[0], r[1]}});
        multiply<T>(scores[2 * n + 1], queries[step], FragmentB{{r[2], r[3]}});
      }
    }

    float next[2] = {most[0], most[1]};
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int j = tile * kKeys + n * 8 + lane % 4 * 2 + e % 2;
        const int i = rows[e / 2];
        float score = scores[n].at[e] * scale;
        const bool hidden = j >= a.keys || i >= a.queries || (a.causal && j > i + offset);
        if (hidden) {
          score = -INFINITY;
        } else if (mask_kind == Mask::kByKey) {
          score += tiles.mask[tile % 2][n * 8 + lane % 4 * 2 + e % 2];
        } else if (mask_kind == Mask::kByScore) {
          score += read_mask(a, mask_base + i * a.mask_strides[2] + j * a.mask_strides[3]) * kLog2E;
        }
        scores[n].at[e] = score;
        next[e / 2] = fmaxf(next[e / 2], score);
      }
    }

    float correction[2];
    float base[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      next[r] = quad_max(next[r]);
      base[r] = next[r] == -INFINITY ? 0.0f : next[r];  // nothing seen yet: all weights are 0
      correction[r] = exp2f(most[r] - base[r]);
      most[r] = next[r];
      total[r] *= correction[r];
    }
#pragma unroll
    for (int n = 0; n < D / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) out[n].at[e] *= correction[e / 2];
    }
    float sums[2] = {0.0f, 0.0f};
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float weight = exp2f(scores[n].at[e] - base[e / 2]);
        scores[n].at[e] = weight;
        sums[e / 2] += weight;
      }
    }
    total[0] += sums[0];
    total[1] += sums[1];

    // The weights are the first operand as they lie in the registers.
#pragma unroll
    for (int step = 0; step < kKeys / 16; ++step) {
      const Accumulator& low = scores[2 * step];
      const Accumulator& high = scores[2 * step + 1];
      const FragmentA weights = {{pack<T>(low.at[0], low.at[1]), pack<T>(low.at[2], low.at[3]),
                                  pack<T>(high.at[0], high.at[1]), pack<T>(high.at[2], high.at[3])}};
#pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        uint32_t r[4];
        const int row = step * 16 + lane / 8 % 2 * 8 + lane % 8;
        load_matrices_transposed(r, values + row * (D + kPad) + n * 16 + lane / 16 * 8);
        multiply<T>(out[2 * n], weights, FragmentB{{r[0], r[1]}});
        multiply<T>(out[2 * n + 1], weights, FragmentB{{r[2], r[3]}});
      }
    }
    __syncthreads();  // before the next fetch writes over this tile
  }

#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float sum = quad_sum(total[r]);
    if (rows[r] >= a.queries) continue;
    T* row = static_cast<T*>(a.out) + b * a.out_rows.batch + h * a.out_rows.head +
             rows[r] * a.out_rows.row;
    const bool is_hidden = sum == 0.0f;  // no key at all: 0 / 0, as the formula says
    const float hidden_value = a.nan_to_zero ? 0.0f : NAN;
#pragma unroll
    for (int n = 0; n < D / 8; ++n) {
      const float first = is_hidden ? hidden_value : out[n].at[2 * r] / sum;
      const float second = is_hidden ? hidden_value : out[n].at[2 * r + 1] / sum;
      *reinterpret_cast<uint32_t*>(row + n * 8 + lane % 4 * 2) = pack<T>(first, second);
    }
  }
}

template <typename T, int D, Mask mask_kind>
void launch_masked(const CudaAttentionArguments& a, cudaStream_t stream) {
  constexpr int kShared = sizeof(Tiles<T, D>);
  if constexpr (kShared > 48 * 1024) {
    (void)cudaFuncSetAttribute(attention_mma_kernel<T, D, mask_kind>,
                               cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
  }
  const dim3 grid((a.queries + kQueries - 1) / kQueries, a.heads, a.batch);
  attention_mma_kernel<T, D, mask_kind><<<grid, kWarps * 32, kShared, stream>>>(a);
}

template <typename T, int D>
void launch(const CudaAttentionArguments& a, cudaStream_t stream) {
  if (a.mask == nullptr) {
    launch_masked<T, D, Mask::kNone>(a, stream);
  } else if (a.mask_strides[2] == 0) {
    launch_masked<T, D, Mask::kByKey>(a, stream);
  } else {
    launch_masked<T, D, Mask::kByScore>(a, stream);
  }
}

template <typename T>
void launch_size(const CudaAttentionArguments& a, cudaStream_t stream) {
  switch (a.head_size) {
    case 32: launch<T, 32>(a, stream); break;
    case 64: launch<T, 64>(a, stream); break;
    default: launch<T, 128>(a, stream); break;
  }
}

bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

bool is_aligned(const CudaAttentionRows& rows) {
  return rows.batch % 8 == 0 && rows.head % 8 == 0 && rows.row % 8 == 0;
}

}  // namespace

bool takes_attention_mma(const CudaAttentionArguments& a) {
  const bool sizes = a.head_size == a.value_size &&
                     (a.head_size == 32 || a.head_size == 64 || a.head_size == 128);
  const bool types = a.dtype == DataType::kFloat16 || a.dtype == DataType::kBFloat16;
  return sizes && types && is_aligned(a.q_rows) && is_aligned(a.k_rows) && is_aligned(a.v_rows) &&
         is_aligned(a.out_rows);
}

void launch_attention_mma(const CudaAttentionArguments& a, cudaStream_t stream) {
  if (!is_aligned(a.q) || !is_aligned(a.k) || !is_aligned(a.v) || !is_aligned(a.out)) {
    launch_attention(a, stream);
  } else if (a.dtype == DataType::kFloat16) {
    launch_size<__half>(a, stream);
  } else {
    launch_size<__nv_bfloat16>(a, stream);
  }
}

}  // namespace penstock::ops
