// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Strided copies: Transpose, Slice, Concat, Split, Expand, Tile, Reorder, DepthToSpace, ...
#include "backends/cuda/launch_math.cuh"
#include "ops/movement/movement_cuda.h"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;
constexpr int kItems = 4;  // of a thread: loads in flight
constexpr int kMaxBatch = 8;

// Moves that one launch does, each with blocks of its own.
template <typename Mode>
struct MoveBatch {
  struct Entry {
    const void* x;
    void* y;
    typename Mode::Index items;
    unsigned first_block;
    int axes;
    typename Mode::Division extents[kMaxMoveAxes];
    int64_t x_strides[kMaxMoveAxes];
    int64_t y_strides[kMaxMoveAxes];
  };
  int count = 0;
  Entry entries[kMaxBatch];
};

template <typename T, typename Mode>
__global__ void __launch_bounds__(kThreads)
    copy_items(const __grid_constant__ MoveBatch<Mode> batch) {
  using Index = typename Mode::Index;
  int which = 0;
  while (which + 1 < batch.count && blockIdx.x >= batch.entries[which + 1].first_block) ++which;
  const auto& move = batch.entries[which];
  const Index first =
      static_cast<Index>(blockIdx.x - move.first_block) * (kThreads * kItems) + threadIdx.x;
  T values[kItems];
  int64_t to[kItems];
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    Index rest = first + k * kThreads;
    if (rest >= move.items) continue;
    int64_t from = 0;
    to[k] = 0;
    for (int d = move.axes - 1; d > 0; --d) {
      const auto place = static_cast<int64_t>(move.extents[d].split(rest));
      from += place * move.x_strides[d];
      to[k] += place * move.y_strides[d];
    }
    from += static_cast<int64_t>(rest) * move.x_strides[0];
    to[k] += static_cast<int64_t>(rest) * move.y_strides[0];
    values[k] = static_cast<const T*>(move.x)[from];
  }
#pragma unroll
  for (int k = 0; k < kItems; ++k) {
    if (first + k * kThreads < move.items) static_cast<T*>(move.y)[to[k]] = values[k];
  }
}

int64_t items_of(const DeviceMove& move) {
  int64_t items = 1;
  for (int d = 0; d < move.axes; ++d) items *= move.extents[d];
  return items;
}

// The widest access, up to `most` bytes, that all runs of a move allow, and the move in units of it.
size_t widen(DeviceMove& move, size_t size, size_t most) {
  const int last = move.axes - 1;
  if (move.x_strides[last] != 1 || move.y_strides[last] != 1) return size;
  size_t width = most;
  const auto fits = [&] {
    const auto per_item = static_cast<int64_t>(width / size);
    bool all = is_aligned(move.x, width) && is_aligned(move.y, width) &&
               move.extents[last] % per_item == 0;
    for (int d = 0; d < last; ++d) {
      all = all && move.x_strides[d] % per_item == 0 && move.y_strides[d] % per_item == 0;
    }
    return all;
  };
  while (width > size && !fits()) width /= 2;
  const auto per_item = static_cast<int64_t>(width / size);
  move.extents[last] /= per_item;
  for (int d = 0; d < last; ++d) {
    move.x_strides[d] /= per_item;
    move.y_strides[d] /= per_item;
  }
  return width;
}

template <typename Mode>
void launch_batch(const DeviceMove* const* moves, int count, size_t size, cudaStream_t stream) {
  MoveBatch<Mode> batch;
  batch.count = count;
  int64_t blocks = 0;
  for (int i = 0; i < count; ++i) {
    const DeviceMove& move = *moves[i];
    auto& entry = batch.entries[i];
    const int64_t items = items_of(move);
    entry.x = move.x;
    entry.y = move.y;
    entry.items = static_cast<typename Mode::Index>(items);
    entry.first_block = static_cast<unsigned>(blocks);
    entry.axes = move.axes;
    for (int d = 0; d < move.axes; ++d) {
      entry.extents[d] = typename Mode::Division(move.extents[d]);
      entry.x_strides[d] = move.x_strides[d];
      entry.y_strides[d] = move.y_strides[d];
    }
    blocks += (items + kThreads * kItems - 1) / (kThreads * kItems);
  }
  const auto grid = static_cast<unsigned>(blocks);
  switch (size) {
    case 1: copy_items<uint8_t, Mode><<<grid, kThreads, 0, stream>>>(batch); break;
    case 2: copy_items<uint16_t, Mode><<<grid, kThreads, 0, stream>>>(batch); break;
    case 4: copy_items<uint32_t, Mode><<<grid, kThreads, 0, stream>>>(batch); break;
    case 8: copy_items<uint64_t, Mode><<<grid, kThreads, 0, stream>>>(batch); break;
    default: copy_items<uint4, Mode><<<grid, kThreads, 0, stream>>>(batch); break;
  }
}

// Moves that wait for a launch together: of one width, all narrow.
class Batch {
 public:
  Batch(size_t size, cudaStream_t stream) : size_(size), stream_(stream) {}

  void add(const DeviceMove& move) {
    if (!fits_32_bits(items_of(move))) {
      const DeviceMove* alone = &move;
      launch_batch<Wide>(&alone, 1, size_, stream_);
      return;
    }
    held_[count_] = move;
    addresses_[count_] = &held_[count_];
    if (++count_ == kMaxBatch) flush();
  }

  void flush() {
    if (count_ > 0) launch_batch<Narrow>(addresses_, count_, size_, stream_);
    count_ = 0;
  }

 private:
  size_t size_;
  cudaStream_t stream_;
  int count_ = 0;
  DeviceMove held_[kMaxBatch];
  const DeviceMove* addresses_[kMaxBatch] = {};
};

// A transpose in tiles: `rows` is the axis along which x is contiguous, `columns` that of y.
struct TileArguments {
  const void* x;
  void* y;
  int64_t rows;
  int64_t columns;
  int64_t x_step;  // from column to column
  int64_t y_step;  // from row to row
  unsigned row_tiles;
  unsigned column_tiles;
  int axes;  // around the tiles, the outermost first
  unsigned extents[kMaxMoveAxes];
  int64_t x_strides[kMaxMoveAxes];
  int64_t y_strides[kMaxMoveAxes];
};

template <typename T>
constexpr int kTile = sizeof(T) < 4 ? 64 : 32;
constexpr int kTileThreads = 8;  // along y

// Width elements at a time, in both directions.
template <typename T, int Width>
__global__ void __launch_bounds__(kWarp* kTileThreads)
    transpose_tiles(const __grid_constant__ TileArguments a) {
  constexpr int kSide = kTile<T>;
  // Against conflicts between banks: rows that begin a bank, or half of one, apart.
  constexpr int kGap = Width == 1 && sizeof(T) < 4 ? 4 / sizeof(T) : 1;
  __shared__ T tile[kSide][kSide + kGap];
  unsigned rest = blockIdx.x;
  const int64_t column = static_cast<int64_t>(rest % a.column_tiles) * kSide;
  rest /= a.column_tiles;
  const int64_t row = static_cast<int64_t>(rest % a.row_tiles) * kSide;
  rest /= a.row_tiles;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  for (int d = a.axes - 1; d >= 0; --d) {
    const auto place = static_cast<int64_t>(rest % a.extents[d]);
    rest /= a.extents[d];
    x += place * a.x_strides[d];
    y += place * a.y_strides[d];
  }
#pragma unroll
  for (int j = 0; j < kSide; j += kTileThreads) {
    const int c = j + static_cast<int>(threadIdx.y);
#pragma unroll
    for (int k = 0; k < kSide; k += kWarp * Width) {
      const int r = k + static_cast<int>(threadIdx.x) * Width;
      if (column + c >= a.columns || row + r >= a.rows) continue;
      const auto pack =
          *reinterpret_cast<const Pack<T, Width>*>(x + (column + c) * a.x_step + row + r);
#pragma unroll
      for (int w = 0; w < Width; ++w) tile[c][r + w] = pack.at[w];
    }
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < kSide; j += kTileThreads) {
    const int r = j + static_cast<int>(threadIdx.y);
#pragma unroll
    for (int k = 0; k < kSide; k += kWarp * Width) {
      const int c = k + static_cast<int>(threadIdx.x) * Width;
      if (column + c >= a.columns || row + r >= a.rows) continue;
      Pack<T, Width> pack;
#pragma unroll
      for (int w = 0; w < Width; ++w) pack.at[w] = tile[c + w][r];
      *reinterpret_cast<Pack<T, Width>*>(y + (row + r) * a.y_step + column + c) = pack;
    }
  }
}

// True where all pairs of elements of two bytes are accesses of four.
bool has_pairs(const TileArguments& a) {
  bool fits = is_aligned(a.x, 4) && is_aligned(a.y, 4);
  for (int64_t number : {a.rows, a.columns, a.x_step, a.y_step}) fits = fits && number % 2 == 0;
  for (int d = 0; d < a.axes; ++d) {
    fits = fits && a.x_strides[d] % 2 == 0 && a.y_strides[d] % 2 == 0;
  }
  return fits;
}

// False where the move is no transpose, or too thin for tiles.
bool launch_tiles(const DeviceMove& move, size_t size, cudaStream_t stream) {
  constexpr int64_t kThin = 12;
  const int last = move.axes - 1;
  if (move.y_strides[last] != 1 || move.x_strides[last] == 1 || move.extents[last] < kThin) {
    return false;
  }
  int rows = -1;
  for (int d = 0; d < last; ++d) {
    if (move.x_strides[d] == 1) rows = d;
  }
  if (rows < 0 || move.extents[rows] < kThin) return false;
  const int64_t side = size < 4 ? 64 : 32;
  TileArguments a{};
  a.x = move.x;
  a.y = move.y;
  a.rows = move.extents[rows];
  a.columns = move.extents[last];
  a.x_step = move.x_strides[last];
  a.y_step = move.y_strides[rows];
  const int64_t row_tiles = (a.rows + side - 1) / side;
  const int64_t column_tiles = (a.columns + side - 1) / side;
  int64_t blocks = row_tiles * column_tiles;
  for (int d = 0; d < last; ++d) {
    if (d == rows) continue;
    blocks *= move.extents[d];
    a.extents[a.axes] = static_cast<unsigned>(move.extents[d]);
    a.x_strides[a.axes] = move.x_strides[d];
    a.y_strides[a.axes++] = move.y_strides[d];
  }
  if (blocks >= int64_t{1} << 31) return false;
  a.row_tiles = static_cast<unsigned>(row_tiles);
  a.column_tiles = static_cast<unsigned>(column_tiles);
  const auto grid = static_cast<unsigned>(blocks);
  const dim3 threads(kWarp, kTileThreads);
  if (size == 2 && has_pairs(a)) {
    transpose_tiles<uint16_t, 2><<<grid, threads, 0, stream>>>(a);
    return true;
  }
  dispatch_size(size, [&](auto tag) {
    transpose_tiles<typename decltype(tag)::type, 1><<<grid, threads, 0, stream>>>(a);
  });
  return true;
}

}  // namespace

void launch_moves(const DeviceMove* moves, size_t count, size_t element_bytes,
                  cudaStream_t stream) {
  // Of a few bytes, one launch costs less than one for each width.
  constexpr int64_t kFewBytes = int64_t{256} << 10;
  int64_t bytes = 0;
  size_t common = 16;
  for (size_t i = 0; i < count; ++i) {
    DeviceMove move = moves[i];
    bytes += items_of(move) * static_cast<int64_t>(element_bytes);
    common = std::min(common, widen(move, element_bytes, 16));
  }
  const size_t most = bytes <= kFewBytes ? common : 16;
  Batch batches[] = {{1, stream}, {2, stream}, {4, stream}, {8, stream}, {16, stream}};
  for (size_t i = 0; i < count; ++i) {
    DeviceMove move = moves[i];
    if (launch_tiles(move, element_bytes, stream)) continue;
    size_t width = widen(move, element_bytes, most);
    int which = 0;
    for (; width > 1; width /= 2) ++which;
    batches[which].add(move);
  }
  for (Batch& batch : batches) batch.flush();
}

}  // namespace penstock::ops
