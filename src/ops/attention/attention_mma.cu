// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Attention on the tensor cores, scores never leaving the registers (Dao, "FlashAttention-2", 2023).
#include "backends/cuda/device_types.cuh"
#include "ops/attention/attention_cuda.h"

namespace penstock::ops {
namespace {

using backends::cuda::to_float;

constexpr int kWarps = 4;
constexpr int kRows = 16;  // of a matrix instruction
constexpr int kPad = 8;    // halves behind a row of a tile: rows of a fragment lie in different banks
constexpr float kLog2E = 1.4426950408889634f;

// How the warps of a block share the work.
enum class Share {
  kQueries,      // a warp has 16 queries: all read the same tiles of keys
  kMoreQueries,  // 32: a tile is read from shared memory half as often
  kKeys,         // all have the same 16 queries, each every fourth tile: for few queries
};
template <Share share>
constexpr int kRowTilesOf = share == Share::kMoreQueries ? 2 : 1;
template <Share share>
constexpr int kQueriesOf =
    share == Share::kKeys ? kRows : kRows * kWarps * kRowTilesOf<share>;  // of a block
template <Share share>
constexpr int kKeysOf = share == Share::kKeys ? 32 : 64;  // of a tile

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

// `Rows` rows of D elements each, from row `first` of `count`, by threads `thread` of `Threads`.
template <typename T, int D, int Rows, int Threads>
__device__ void load_rows(T* tile, const T* rows, int64_t row_stride, int first, int count,
                          int thread) {
  constexpr int kChunks = D / 8;
#pragma unroll
  for (int at = thread; at < Rows * kChunks; at += Threads) {
    const int row = at / kChunks;
    const int chunk = at % kChunks;
    const bool inside = first + row < count;
    const int64_t source = inside ? first + row : 0;
    copy_async(tile + row * (D + kPad) + chunk * 8, rows + source * row_stride + chunk * 8, inside);
  }
}

// In units of log 2. The lowest numbers stay finite: a row of nothing else has equal weights.
__device__ float read_mask(const CudaAttentionArguments& a, int64_t at) {
  float value = 0;
  switch (a.mask_dtype) {
    case DataType::kBool: return static_cast<const uint8_t*>(a.mask)[at] != 0 ? 0.0f : -INFINITY;
    case DataType::kFloat16: value = to_float(static_cast<const __half*>(a.mask)[at]); break;
    case DataType::kBFloat16: value = to_float(static_cast<const __nv_bfloat16*>(a.mask)[at]); break;
    default: value = static_cast<const float*>(a.mask)[at];
  }
  return value == -INFINITY ? value : fmaxf(value, -1e38f) * kLog2E;
}

__device__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
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

template <typename T, int D, int Keys>
struct Tiles {
  T keys[2][Keys * (D + kPad)];
  T values[2][Keys * (D + kPad)];
  float mask[2][Keys];  // where all queries share it
};

// What warps that share the keys found of the same queries.
template <int D>
struct Partial {
  float out[kRows][D];
  float most[kRows];
  float total[kRows];
};

template <typename T, int D, Share share>
struct BlockMemory {
  static constexpr int kTiles = share == Share::kKeys ? kWarps : 1;
  union {
    Tiles<T, D, kKeysOf<share>> tiles[kTiles];
    Partial<D> partials[share == Share::kKeys ? kWarps : 1];
  };
  T queries[kQueriesOf<share> * (D + kPad)];
};

// What is added to the scores.
enum class Mask {
  kNone,
  kByKey,  // the same for every query: read once a tile
  kByScore,
};

// Queries of 16 rows, and what a warp has found of them so far: columns are spread over quads.
template <int D>
struct RowTile {
  Accumulator out[D / 8] = {};
  float most[2] = {-INFINITY, -INFINITY};
  float total[2] = {0.0f, 0.0f};
};

template <typename T>
__device__ void store_pair(const CudaAttentionArguments& a, int b, int h, int row, int column,
                           float first, float second, float total) {
  if (row >= a.queries) return;
  const bool is_hidden = total == 0.0f;  // no key at all: 0 / 0, as the formula says
  const float hidden_value = a.nan_to_zero ? 0.0f : NAN;
  T* out = static_cast<T*>(a.out) + b * a.out_rows.batch + h * a.out_rows.head +
           row * a.out_rows.row + column;
  *reinterpret_cast<uint32_t*>(out) =
      pack<T>(is_hidden ? hidden_value : first / total, is_hidden ? hidden_value : second / total);
}

// Warps that shared the keys put together what they found.
template <typename T, int D>
__device__ void combine(const CudaAttentionArguments& a, Partial<D>* partials,
                        const RowTile<D>& mine, int b, int h, int first_query) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  __syncthreads();  // the partial results lie where the tiles were
  Partial<D>& partial = partials[warp];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = lane / 4 + 8 * r;
    const float total = quad_sum(mine.total[r]);
    if (lane % 4 == 0) {
      partial.most[row] = mine.most[r];
      partial.total[row] = total;
    }
#pragma unroll
    for (int n = 0; n < D / 8; ++n) {
      *reinterpret_cast<float2*>(&partial.out[row][n * 8 + lane % 4 * 2]) =
          make_float2(mine.out[n].at[2 * r], mine.out[n].at[2 * r + 1]);
    }
  }
  __syncthreads();
  for (int at = threadIdx.x; at < kRows * D / 2; at += kWarps * 32) {
    const int row = at / (D / 2);
    const int column = at % (D / 2) * 2;
    float most = -INFINITY;
    for (int w = 0; w < kWarps; ++w) most = fmaxf(most, partials[w].most[row]);
    const float base = most == -INFINITY ? 0.0f : most;
    float first = 0;
    float second = 0;
    float total = 0;
    for (int w = 0; w < kWarps; ++w) {
      const float weight = exp2_fast(partials[w].most[row] - base);
      const float2 pair = *reinterpret_cast<const float2*>(&partials[w].out[row][column]);
      first += weight * pair.x;
      second += weight * pair.y;
      total += weight * partials[w].total[row];
    }
    store_pair<T>(a, b, h, first_query + row, column, first, second, total);
  }
}

template <typename T, int D, Mask mask_kind, Share share>
__global__ void __launch_bounds__(kWarps * 32)
    attention_mma_kernel(const __grid_constant__ CudaAttentionArguments a) {
  constexpr bool kSharesKeys = share == Share::kKeys;
  constexpr int kQueries = kQueriesOf<share>;
  constexpr int kKeys = kKeysOf<share>;
  constexpr int kRowTiles = kRowTilesOf<share>;
  constexpr int kLoaders = kSharesKeys ? 32 : kWarps * 32;  // threads that load a tile
  extern __shared__ __align__(16) unsigned char shared[];
  auto& memory = *reinterpret_cast<BlockMemory<T, D, share>*>(shared);
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const int loader = kSharesKeys ? lane : threadIdx.x;
  const int h = blockIdx.y;
  const int b = blockIdx.z;
  const int first_query = blockIdx.x * kQueries;
  const int first_row = first_query + (kSharesKeys ? 0 : warp * kRows * kRowTiles);  // of the warp
  const T* q = static_cast<const T*>(a.q) + b * a.q_rows.batch + h * a.q_rows.head;
  const T* k = static_cast<const T*>(a.k) + b * a.k_rows.batch + h * a.k_rows.head;
  const T* v = static_cast<const T*>(a.v) + b * a.v_rows.batch + h * a.v_rows.head;
  auto& tiles = memory.tiles[kSharesKeys ? warp : 0];
  const auto wait_for_loaders = [] {
    if constexpr (kSharesKeys) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  };

  load_rows<T, D, kQueries, kWarps * 32>(memory.queries, q, a.q_rows.row, first_query, a.queries,
                                         threadIdx.x);
  commit_copies();

  const int64_t mask_base = b % a.mask_batches * a.mask_strides[0] + h * a.mask_strides[1];
  const int offset = a.keys - a.queries;  // causal: query i sees keys up to i + offset
  int key_end = a.keys;
  if (a.causal) key_end = min(a.keys, first_query + kQueries + offset);
  const int tile_count = max(0, (key_end + kKeys - 1) / kKeys);
  constexpr int kStep = kSharesKeys ? kWarps : 1;
  const int first_tile = kSharesKeys ? warp : 0;
  const auto fetch = [&](int tile, int place) {
    load_rows<T, D, kKeys, kLoaders>(tiles.keys[place], k, a.k_rows.row, tile * kKeys, a.keys,
                                     loader);
    load_rows<T, D, kKeys, kLoaders>(tiles.values[place], v, a.v_rows.row, tile * kKeys, a.keys,
                                     loader);
    commit_copies();
    const int j = tile * kKeys + loader;
    if (mask_kind == Mask::kByKey && loader < kKeys && j < a.keys) {
      tiles.mask[place][loader] = read_mask(a, mask_base + j * a.mask_strides[3]);
    }
  };
  if (first_tile < tile_count) {
    fetch(first_tile, 0);
    wait_for_copies<1>();
  } else {
    wait_for_copies<0>();
  }
  __syncthreads();
  FragmentA queries[kRowTiles][D / 16];
#pragma unroll
  for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
      const int row = first_row - first_query + t * kRows + lane % 16;
      load_matrices(queries[t][step].at,
                    memory.queries + row * (D + kPad) + step * 16 + lane / 16 * 8);
    }
  }

  RowTile<D> found[kRowTiles];
  const float scale = a.scale * kLog2E;
  int place = 0;
  for (int tile = first_tile; tile < tile_count; tile += kStep, place ^= 1) {
    if (tile + kStep < tile_count) {
      fetch(tile + kStep, place ^ 1);
      wait_for_copies<1>();
    } else {
      wait_for_copies<0>();
    }
    wait_for_loaders();
    const T* keys = tiles.keys[place];
    const T* values = tiles.values[place];

    Accumulator scores[kRowTiles][kKeys / 8] = {};
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        // Keys are the columns of the second operand: rows of the tile as they lie.
        uint32_t r[4];
        const int row = n * 16 + lane / 16 * 8 + lane % 8;
        load_matrices(r, keys + row * (D + kPad) + step * 16 + lane / 8 % 2 * 8);
#pragma unroll
        for (int t = 0; t < kRowTiles; ++t) {
          multiply<T>(scores[t][2 * n], queries[t][step], FragmentB{{r[0], r[1]}});
          multiply<T>(scores[t][2 * n + 1], queries[t][step], FragmentB{{r[2], r[3]}});
        }
      }
    }

    // Tiles in the middle hide nothing, but by the mask.
    const int last_key = tile * kKeys + kKeys - 1;
    const bool is_whole = last_key < a.keys && !(a.causal && last_key > first_row + offset) &&
                          (mask_kind != Mask::kByScore || first_query + kQueries <= a.queries);
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      RowTile<D>& mine = found[t];
      float next[2] = {mine.most[0], mine.most[1]};
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
        float2 added = make_float2(0.0f, 0.0f);
        if constexpr (mask_kind == Mask::kByKey) {
          added = *reinterpret_cast<const float2*>(&tiles.mask[place][n * 8 + lane % 4 * 2]);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          float score = scores[t][n].at[e] * scale;
          if constexpr (mask_kind == Mask::kByKey) score += e % 2 == 0 ? added.x : added.y;
          const int j = tile * kKeys + n * 8 + lane % 4 * 2 + e % 2;
          const int i = first_row + t * kRows + lane / 4 + e / 2 * 8;
          if (!is_whole && (j >= a.keys || i >= a.queries || (a.causal && j > i + offset))) {
            score = -INFINITY;
          } else if constexpr (mask_kind == Mask::kByScore) {
            score += read_mask(a, mask_base + i * a.mask_strides[2] + j * a.mask_strides[3]);
          }
          scores[t][n].at[e] = score;
          next[e / 2] = fmaxf(next[e / 2], score);
        }
      }
      float base[2];
      float correction[2];
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        next[r] = quad_max(next[r]);
        base[r] = next[r] == -INFINITY ? 0.0f : next[r];  // nothing seen yet: all weights are 0
        correction[r] = exp2_fast(mine.most[r] - base[r]);
        mine.most[r] = next[r];
        mine.total[r] *= correction[r];
      }
#pragma unroll
      for (int n = 0; n < D / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) mine.out[n].at[e] *= correction[e / 2];
      }
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const float weight = exp2_fast(scores[t][n].at[e] - base[e / 2]);
          scores[t][n].at[e] = weight;
          mine.total[e / 2] += weight;
        }
      }
    }

    // The weights are the first operand as they lie in the registers.
#pragma unroll
    for (int step = 0; step < kKeys / 16; ++step) {
      FragmentA weights[kRowTiles];
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) {
        const Accumulator& low = scores[t][2 * step];
        const Accumulator& high = scores[t][2 * step + 1];
        weights[t] = {{pack<T>(low.at[0], low.at[1]), pack<T>(low.at[2], low.at[3]),
                       pack<T>(high.at[0], high.at[1]), pack<T>(high.at[2], high.at[3])}};
      }
#pragma unroll
      for (int n = 0; n < D / 16; ++n) {
        uint32_t r[4];
        const int row = step * 16 + lane / 8 % 2 * 8 + lane % 8;
        load_matrices_transposed(r, values + row * (D + kPad) + n * 16 + lane / 16 * 8);
#pragma unroll
        for (int t = 0; t < kRowTiles; ++t) {
          multiply<T>(found[t].out[2 * n], weights[t], FragmentB{{r[0], r[1]}});
          multiply<T>(found[t].out[2 * n + 1], weights[t], FragmentB{{r[2], r[3]}});
        }
      }
    }
    wait_for_loaders();  // before the next fetch writes over this tile
  }

  if constexpr (kSharesKeys) {
    combine<T, D>(a, memory.partials, found[0], b, h, first_query);
  } else {
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float total = quad_sum(found[t].total[r]);
        const int row = first_row + t * kRows + lane / 4 + 8 * r;
#pragma unroll
        for (int n = 0; n < D / 8; ++n) {
          store_pair<T>(a, b, h, row, n * 8 + lane % 4 * 2, found[t].out[n].at[2 * r],
                        found[t].out[n].at[2 * r + 1], total);
        }
      }
    }
  }
}

template <typename T, int D, Mask mask_kind, Share share>
void launch_shared(const CudaAttentionArguments& a, cudaStream_t stream) {
  constexpr int kShared = sizeof(BlockMemory<T, D, share>);
  constexpr int kQueries = kQueriesOf<share>;
  if constexpr (kShared > 48 * 1024) {
    (void)cudaFuncSetAttribute(attention_mma_kernel<T, D, mask_kind, share>,
                               cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
  }
  const dim3 grid((a.queries + kQueries - 1) / kQueries, a.heads, a.batch);
  attention_mma_kernel<T, D, mask_kind, share><<<grid, kWarps * 32, kShared, stream>>>(a);
}

template <typename T, int D, Mask mask_kind>
void launch_masked(const CudaAttentionArguments& a, AttentionVariant variant,
                   cudaStream_t stream) {
  // More queries of 128 elements have no place in the registers.
  if constexpr (D <= 64 && mask_kind != Mask::kByScore) {
    if (variant == AttentionVariant::kManyQueries) {
      return launch_shared<T, D, mask_kind, Share::kMoreQueries>(a, stream);
    }
  }
  if (variant == AttentionVariant::kFewQueries) {
    return launch_shared<T, D, mask_kind, Share::kKeys>(a, stream);
  }
  launch_shared<T, D, mask_kind, Share::kQueries>(a, stream);
}

template <typename T, int D>
void launch(const CudaAttentionArguments& a, AttentionVariant variant, cudaStream_t stream) {
  if (a.mask == nullptr) {
    launch_masked<T, D, Mask::kNone>(a, variant, stream);
  } else if (a.mask_strides[2] == 0) {
    launch_masked<T, D, Mask::kByKey>(a, variant, stream);
  } else {
    launch_masked<T, D, Mask::kByScore>(a, variant, stream);
  }
}

template <typename T>
void launch_size(const CudaAttentionArguments& a, AttentionVariant variant, cudaStream_t stream) {
  switch (a.head_size) {
    case 32: launch<T, 32>(a, variant, stream); break;
    case 64: launch<T, 64>(a, variant, stream); break;
    default: launch<T, 128>(a, variant, stream); break;
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

void launch_attention_mma(const CudaAttentionArguments& a, AttentionVariant variant,
                          cudaStream_t stream) {
  if (!is_aligned(a.q) || !is_aligned(a.k) || !is_aligned(a.v) || !is_aligned(a.out)) {
    launch_attention(a, stream);
  } else if (a.dtype == DataType::kFloat16) {
    launch_size<__half>(a, variant, stream);
  } else {
    launch_size<__nv_bfloat16>(a, variant, stream);
  }
}

}  // namespace penstock::ops
