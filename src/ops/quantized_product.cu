// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Products of 8-bit integers on tensor cores (mma m16n8k32): a convolution is a matrix product of
// gathered pixels by weights. Tiles come through cp.async into a ring of stages in shared memory,
// whose 16-byte chunks are permuted so that ldmatrix meets no bank twice.
#include "backends/cuda/byte_types.cuh"
#include "backends/cuda/launch_math.cuh"
#include "ops/quantized_epilogue.cuh"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kDepth = kProductRow;  // bytes of a row that a stage holds
constexpr int kChunk = 16;           // bytes
constexpr int kChunks = kDepth / kChunk;
constexpr int kStages = 4;
constexpr int kPackOutputs = 8;

struct ProductKernel {
  ProductArguments a;
  ByteEpilogue bytes;
  Divisor width;   // of the result, to take a pixel apart
  Divisor height;
  uint32_t pixels;
  bool has_packs;  // stores of kPackOutputs outputs
};

__device__ inline uint32_t shared_address(const void* at) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}

// 16 bytes, or zeros.
__device__ inline void copy_chunk(uint32_t to, const void* from, bool inside) {
  const int bytes = inside ? kChunk : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes));
}

__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;"); }

template <int Count>
__device__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Count));
}

__device__ inline void load_matrices(uint32_t at, uint32_t (&r)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(at));
}

__device__ inline void multiply(int (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Of a chunk of a tile's row.
__device__ inline int place_of(int row, int chunk) {
  return row * kDepth + ((chunk ^ ((row >> 1) & (kChunks - 1))) * kChunk);
}

// A pixel of the result as the gathering of its inputs needs it.
struct Pixel {
  int64_t image;  // offset of its image in x
  int top;        // of its window
  int left;
};

__device__ inline Pixel pixel_of(const ProductKernel& kernel, uint32_t pixel) {
  const ProductArguments& a = kernel.a;
  if (pixel >= kernel.pixels) return {0, -(1 << 28), 0};  // lies in the padding
  const auto column = static_cast<int>(kernel.width.split(pixel));
  const auto row = static_cast<int>(kernel.height.split(pixel));
  return {static_cast<int64_t>(pixel) * a.in_height * a.in_width * a.channels,
          row * a.stride_height - a.pad_top, column * a.stride_width - a.pad_left};
}

// Where a chunk of 16 bytes of weights' rows lies: channels of a tap.
struct Place {
  int channel;
  int tap_row;
  int tap_column;

  __device__ void advance(const ProductArguments& a, int bytes) {
    channel += bytes;
    while (channel >= a.padded_channels) {
      channel -= a.padded_channels;
      if (++tap_column < a.kernel_width) continue;
      tap_column = 0;
      ++tap_row;
    }
  }
};

// Channels of a pixel, byte by byte: where they are no multiple of 16.
__device__ inline uint4 gather_bytes(const ProductArguments& a, const uint8_t* from, int channel) {
  union {
    uint4 chunk;
    uint8_t bytes[kChunk];
  };
#pragma unroll
  for (int i = 0; i < kChunk; ++i) {
    bytes[i] = channel + i < a.channels ? from[i] : static_cast<uint8_t>(0);
  }
  return chunk;
}

// Four lanes hold pairs of columns of four tiles; exchanged, each has the 8 columns of one. `half`:
// the upper or the lower rows of the tiles.
__device__ inline void exchange(const int (&tiles)[4][4], int half, int quad, int (&own)[8]) {
#pragma unroll
  for (int t = 0; t < 4; ++t) {
    own[2 * t] = tiles[t][half * 2];
    own[2 * t + 1] = tiles[t][half * 2 + 1];
  }
#pragma unroll
  for (int distance = 1; distance <= 2; distance *= 2) {
    const bool is_upper = (quad & distance) != 0;
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
      const int low = 2 * (distance == 1 ? pair * 2 : pair);
      const int high = low + 2 * distance;
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int given = is_upper ? own[low + e] : own[high + e];
        const int taken = __shfl_xor_sync(0xffffffffu, given, distance);
        own[low + e] = is_upper ? taken : own[low + e];
        own[high + e] = is_upper ? own[high + e] : taken;
      }
    }
  }
}

// Whole: channels are a multiple of 16. Bytes: the epilogue is a ByteEpilogue.
template <int Rows, int Columns, int WarpRows, int WarpColumns, bool Whole, bool Bytes>
__global__ void __launch_bounds__(Rows / WarpRows * (Columns / WarpColumns) * kWarp, Rows == 64 ? 5 : 2)
    product(const __grid_constant__ ProductKernel kernel) {
  constexpr int kThreads = Rows / WarpRows * (Columns / WarpColumns) * kWarp;
  constexpr int kRowChunks = Rows * kChunks / kThreads;        // that a thread copies
  constexpr int kColumnChunks = Columns * kChunks / kThreads;  // a stage
  constexpr int kStageBytes = (Rows + Columns) * kDepth;
  constexpr int kTilesDown = WarpRows / 16;
  constexpr int kTilesAcross = WarpColumns / 8;
  extern __shared__ __align__(128) uint8_t stages[];
  const ProductArguments& a = kernel.a;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarp;
  const int warp = thread / kWarp;
  const int warp_row = warp % (Rows / WarpRows) * WarpRows;
  const int warp_column = warp / (Rows / WarpRows) * WarpColumns;
  const uint32_t first_pixel = blockIdx.x * Rows;
  const int first_output = static_cast<int>(blockIdx.y) * Columns;

  // A thread copies the same chunk of several rows: kThreads / kChunks rows apart.
  const int chunk = thread % kChunks;
  const int first_row = thread / kChunks;
  constexpr int kRowStep = kThreads / kChunks;
  Pixel pixels[kRowChunks];
#pragma unroll
  for (int i = 0; i < kRowChunks; ++i) {
    pixels[i] = pixel_of(kernel, first_pixel + first_row + i * kRowStep);
  }
  Place place{0, 0, 0};
  place.advance(a, chunk * kChunk);
  const auto* x = static_cast<const uint8_t*>(a.x);
  const auto* w = static_cast<const uint8_t*>(a.w);
  // What is unsigned is multiplied less 128.
  const uint32_t flip = a.x_unsigned ? 0x80808080u : 0;
  const uint32_t zeros = 0x01010101u * static_cast<uint8_t>(a.x_zero);
  const int steps = a.row_bytes / kDepth;

  const auto copy_stage = [&](int step) {
    uint8_t* stage = stages + step % kStages * kStageBytes;
    const int tap_row = place.tap_row * a.dilation_height;
    const int tap_column = place.tap_column * a.dilation_width;
    const bool is_tap = place.tap_row < a.kernel_height;
#pragma unroll
    for (int i = 0; i < kRowChunks; ++i) {
      const int row = pixels[i].top + tap_row;
      const int column = pixels[i].left + tap_column;
      const bool inside = is_tap && row >= 0 && row < a.in_height && column >= 0 &&
                          column < a.in_width && place.channel < a.channels;
      uint8_t* to = stage + place_of(first_row + i * kRowStep, chunk);
      const uint8_t* from =
          inside ? x + pixels[i].image +
                       (static_cast<int64_t>(row) * a.in_width + column) * a.channels +
                       place.channel
                 : x;
      if (!inside && a.x_zero != 0) {
        *reinterpret_cast<uint4*>(to) = make_uint4(zeros, zeros, zeros, zeros);
      } else if constexpr (Whole) {
        copy_chunk(shared_address(to), from, inside);
      } else {
        *reinterpret_cast<uint4*>(to) =
            inside ? gather_bytes(a, from, place.channel) : make_uint4(0, 0, 0, 0);
      }
    }
    uint8_t* weights = stage + Rows * kDepth;
#pragma unroll
    for (int i = 0; i < kColumnChunks; ++i) {
      const int column = first_row + i * kRowStep;
      const bool inside = first_output + column < a.outputs;
      const int64_t from = static_cast<int64_t>(inside ? first_output + column : 0) * a.row_bytes;
      copy_chunk(shared_address(weights + place_of(column, chunk)),
                 w + from + step * kDepth + chunk * kChunk, inside);
    }
    place.advance(a, kDepth);
  };

  for (int step = 0; step < kStages - 1; ++step) {
    if (step < steps) copy_stage(step);
    commit_copies();
  }
  // Of the result, after lanes have exchanged columns.
  const int output = first_output + warp_column + lane % 4 * 8;
  const uint32_t pixel = first_pixel + warp_row + lane / 4;
  uint2 addends[Bytes ? kTilesDown : 1][2] = {};
  if constexpr (Bytes) {  // on their way while products are summed
#pragma unroll
    for (int i = 0; i < kTilesDown; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t at = pixel + i * 16 + half * 8;
        const bool inside = at < kernel.pixels && output < a.outputs;
        if (!kernel.bytes.has_addend || !inside) continue;
        addends[i][half] =
            load_addend(kernel.bytes, static_cast<int64_t>(at) * a.outputs + output);
      }
    }
  }
  int sums[kTilesDown][kTilesAcross][4] = {};
  for (int step = 0; step < steps; ++step) {
    wait_copies<kStages - 2>();
    __syncthreads();
    if (step + kStages - 1 < steps) copy_stage(step + kStages - 1);
    commit_copies();
    const uint8_t* stage = stages + step % kStages * kStageBytes;
    const uint8_t* weights = stage + Rows * kDepth;
#pragma unroll
    for (int k = 0; k < kChunks; k += 2) {
      uint32_t down[kTilesDown][4];
      uint32_t across[kTilesAcross / 2][4];
#pragma unroll
      for (int i = 0; i < kTilesDown; ++i) {
        const int row = warp_row + i * 16 + lane % 16;
        load_matrices(shared_address(stage + place_of(row, k + lane / 16)), down[i]);
#pragma unroll
        for (uint32_t& bytes : down[i]) bytes ^= flip;
      }
#pragma unroll
      for (int j = 0; j < kTilesAcross / 2; ++j) {
        const int column = warp_column + j * 16 + lane % 8 + lane / 16 * 8;
        load_matrices(shared_address(weights + place_of(column, k + lane / 8 % 2)), across[j]);
      }
#pragma unroll
      for (int i = 0; i < kTilesDown; ++i) {
#pragma unroll
        for (int j = 0; j < kTilesAcross; ++j) {
          multiply(sums[i][j], down[i], &across[j / 2][j % 2 * 2]);
        }
      }
    }
  }

  static_assert(kTilesAcross == 4);
  ByteTerms terms;
  if constexpr (Bytes) {
    if (output < a.outputs) terms = byte_terms(a, kernel.bytes, output);
  }
#pragma unroll
  for (int i = 0; i < kTilesDown; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int own[8];
      exchange(sums[i], half, lane % 4, own);
      const uint32_t at = pixel + i * 16 + half * 8;
      if (at >= kernel.pixels || output >= a.outputs) continue;
      const int64_t index = static_cast<int64_t>(at) * a.outputs + output;
      if constexpr (Bytes) {
        *reinterpret_cast<uint2*>(static_cast<uint8_t*>(a.y) + index) =
            finish_bytes(kernel.bytes, terms, own, addends[i][half]);
      } else if (kernel.has_packs) {
        finish_any<kPackOutputs>(a, own, output, index);
      } else {
        for (int e = 0; e < kPackOutputs && output + e < a.outputs; ++e) {
          finish_any<1>(a, own + e, output + e, index + e);
        }
      }
    }
  }
}

template <int Rows, int Columns, int WarpRows, int WarpColumns, bool Whole, bool Bytes>
void launch(const ProductKernel& kernel, cudaStream_t stream) {
  constexpr int kThreads = Rows / WarpRows * (Columns / WarpColumns) * kWarp;
  constexpr int kBytes = kStages * (Rows + Columns) * kDepth;
  const auto function = product<Rows, Columns, WarpRows, WarpColumns, Whole, Bytes>;
  (void)cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  const dim3 blocks((kernel.pixels + Rows - 1) / Rows, ceil_div(kernel.a.outputs, Columns));
  function<<<blocks, kThreads, kBytes, stream>>>(kernel);
}

bool has_packs(const ProductArguments& a) {
  bool packs = a.outputs % kPackOutputs == 0 && is_aligned(a.y, kPackOutputs * size_of(a.y_type));
  for (int s = 0; s < a.steps; ++s) {
    if (a.step[s].operand == nullptr) continue;
    packs = packs && is_aligned(a.step[s].operand, kPackOutputs * size_of(a.step[s].type));
  }
  return packs;
}

bool is_byte(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

// False where the epilogue is another.
bool set_bytes(const ProductArguments& a, ByteEpilogue& e) {
  if (!is_byte(a.y_type) || !has_packs(a)) return false;
  e.y_factor = 1.0f / a.y_scale;
  e.y_unsigned = a.y_type == DataType::kUInt8;
  e.constant = static_cast<float>(a.y_zero);
  e.floor = -1e30f;
  int s = 0;
  if (s < a.steps && a.step[s].kind == EpilogueStep::Kind::kAdd) {
    const ProductStep& step = a.step[s++];
    if (!is_byte(step.type)) return false;
    e.has_addend = true;
    e.addend = step.operand;
    e.addend_unsigned = step.type == DataType::kUInt8;
    e.addend_scale = step.a * e.y_factor;
    e.constant -= step.b * e.addend_scale;
  }
  if (s < a.steps && a.step[s].kind == EpilogueStep::Kind::kRelu) {
    e.floor = static_cast<float>(a.y_zero);
    ++s;
  }
  return s == a.steps;
}

template <int Rows, int Columns, int WarpRows, int WarpColumns>
void launch_tile(const ProductKernel& kernel, bool bytes, cudaStream_t stream) {
  bytes ? launch<Rows, Columns, WarpRows, WarpColumns, true, true>(kernel, stream)
        : launch<Rows, Columns, WarpRows, WarpColumns, true, false>(kernel, stream);
}

}  // namespace

void launch_product(const ProductArguments& a, ProductTile tile, cudaStream_t stream) {
  ProductKernel kernel;
  kernel.a = a;
  kernel.width = Divisor(a.out_width);
  kernel.height = Divisor(a.out_height);
  kernel.pixels = static_cast<uint32_t>(a.batch * a.out_height * a.out_width);
  kernel.has_packs = has_packs(a);
  if (kernel.pixels == 0 || a.outputs == 0) return;
  const bool bytes = set_bytes(a, kernel.bytes);
  const bool is_whole = a.channels % kChunk == 0 && is_aligned(a.x, kChunk);
  if (!is_whole) return launch<64, 64, 32, 32, false, false>(kernel, stream);
  if (tile.columns == 128) return launch_tile<128, 128, 64, 32>(kernel, bytes, stream);
  if (tile.rows == 128) return launch_tile<128, 64, 32, 32>(kernel, bytes, stream);
  launch_tile<64, 64, 32, 32>(kernel, bytes, stream);
}

}  // namespace penstock::ops
