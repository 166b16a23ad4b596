// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/strided_copy.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/simd/rows.h"

namespace penstock::ops {
namespace {

constexpr int64_t kTaskBytes = 32 * 1024;  // what is worth a thread's start
constexpr int64_t kTileBytes = 16 * 1024;  // of a transpose: source and target fit the first cache

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// memcpy of a size the compiler knows: rows are often one or two vectors long.
template <size_t Bytes>
void copy_rows_of(const std::byte* x, int64_t x_step, std::byte* y, int64_t y_step, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) std::memcpy(y + i * y_step, x + i * x_step, Bytes);
}

// Steps in bytes.
void copy_rows(const std::byte* x, int64_t x_step, std::byte* y, int64_t y_step, int64_t rows,
               int64_t bytes) {
  switch (bytes) {
    case 1: return copy_rows_of<1>(x, x_step, y, y_step, rows);
    case 2: return copy_rows_of<2>(x, x_step, y, y_step, rows);
    case 4: return copy_rows_of<4>(x, x_step, y, y_step, rows);
    case 8: return copy_rows_of<8>(x, x_step, y, y_step, rows);
    case 12: return copy_rows_of<12>(x, x_step, y, y_step, rows);
    case 16: return copy_rows_of<16>(x, x_step, y, y_step, rows);
    case 32: return copy_rows_of<32>(x, x_step, y, y_step, rows);
    case 64: return copy_rows_of<64>(x, x_step, y, y_step, rows);
    default:
      for (int64_t i = 0; i < rows; ++i) {
        std::memcpy(y + i * y_step, x + i * x_step, static_cast<size_t>(bytes));
      }
  }
}

template <typename T>
void repeat(const std::byte* x, std::byte* y, int64_t rows, int64_t x_step, int64_t y_step,
            int64_t count) {
  for (int64_t i = 0; i < rows; ++i) {
    const T value = *reinterpret_cast<const T*>(x + i * x_step);
    std::fill_n(reinterpret_cast<T*>(y + i * y_step), count, value);
  }
}

// y contiguous, x strided by elements.
template <typename T>
void pick(const std::byte* source, std::byte* target, int64_t rows, int64_t x_step, int64_t y_step,
          int64_t count, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) {
    const T* x = reinterpret_cast<const T*>(source + i * x_step);
    T* y = reinterpret_cast<T*>(target + i * y_step);
    for (int64_t j = 0; j < count; ++j) y[j] = x[j * stride];
  }
}

// y[j, i] = x[i, j] for x of [rows, columns].
template <typename T>
void transpose(const std::byte* source, int64_t x_ld, std::byte* target, int64_t y_ld, int64_t rows,
               int64_t columns) {
  const T* x = reinterpret_cast<const T*>(source);
  T* y = reinterpret_cast<T*>(target);
  constexpr int64_t kBlock = 8;
  for (int64_t i = 0; i < rows; i += kBlock) {
    const int64_t end = std::min(rows, i + kBlock);
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t k = i; k < end; ++k) y[j * y_ld + k] = x[k * x_ld + j];
    }
  }
}

}  // namespace

StridedCopy::StridedCopy(size_t element_bytes, StridedMove move)
    : size_(element_bytes),
      bytes_(element_count(move.shape) * static_cast<int64_t>(element_bytes)) {
  if (bytes_ == 0) return;
  std::vector<Axis> axes;
  for (size_t i = 0; i < move.shape.size(); ++i) {
    if (move.shape[i] == 1) continue;
    axes.push_back({move.shape[i], move.x_strides[i], move.y_strides[i]});
  }
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return a.y > b.y; });
  for (const Axis& axis : axes) {
    Axis* outer = loops_.empty() ? nullptr : &loops_.back();
    if (outer != nullptr && outer->x == axis.x * axis.extent && outer->y == axis.y * axis.extent) {
      *outer = {outer->extent * axis.extent, axis.x, axis.y};
    } else {
      loops_.push_back(axis);
    }
  }
  choose();
}

// Takes the block's axes out of the loops.
void StridedCopy::choose() {
  const auto size = static_cast<int64_t>(size_);
  if (!loops_.empty() && loops_.back().y == 1) {
    inner_ = loops_.back();
    loops_.pop_back();
  }
  kind_ = inner_.x == 1 ? Kind::kRuns : inner_.x == 0 ? Kind::kRepeats : Kind::kElements;
  // The axis along which x is contiguous makes tiles with the one along which y is.
  if (kind_ == Kind::kElements) {
    auto contiguous =
        std::find_if(loops_.begin(), loops_.end(), [](const Axis& axis) { return axis.x == 1; });
    if (contiguous != loops_.end()) {
      kind_ = Kind::kTiles;
      std::rotate(contiguous, contiguous + 1, loops_.end());
    }
  }
  if (!loops_.empty()) {
    rows_ = loops_.back();
    loops_.pop_back();
  }
  if (kind_ == Kind::kTiles) {
    const int64_t area = kTileBytes / size;
    inner_tile_ =
        std::min(inner_.extent, std::max<int64_t>(64, area / std::min<int64_t>(rows_.extent, 64)));
    row_tile_ = std::min(rows_.extent, std::max<int64_t>(64, area / inner_tile_));
  } else {
    inner_tile_ = std::min(inner_.extent, std::max<int64_t>(1, kTaskBytes / size));
    row_tile_ = std::min(rows_.extent, std::max<int64_t>(1, kTaskBytes / (size * inner_tile_)));
  }
}

void StridedCopy::block(const std::byte* x, std::byte* y, const Axis& rows,
                        const Axis& inner) const {
  const auto size = static_cast<int64_t>(size_);
  const int64_t x_step = rows.x * size;
  const int64_t y_step = rows.y * size;
  const auto typed = [&](auto zero) {
    using T = decltype(zero);
    if (kind_ == Kind::kRepeats) {
      repeat<T>(x, y, rows.extent, x_step, y_step, inner.extent);
    } else if (kind_ == Kind::kElements) {
      pick<T>(x, y, rows.extent, x_step, y_step, inner.extent, inner.x);
    } else if constexpr (sizeof(T) == 4) {
      simd::row_kernels().transpose_32(x, inner.x, y, rows.y, inner.extent, rows.extent);
    } else {
      transpose<T>(x, inner.x, y, rows.y, inner.extent, rows.extent);
    }
  };
  if (kind_ == Kind::kRuns)
    return copy_rows(x, x_step, y, y_step, rows.extent, inner.extent * size);
  switch (size_) {
    case 1: return typed(uint8_t{});
    case 2: return typed(uint16_t{});
    case 4: return typed(uint32_t{});
    default: return typed(uint64_t{});
  }
}

void StridedCopy::run(const void* x, void* y, const ThreadTeam& team) const {
  if (bytes_ == 0) return;
  const auto size = static_cast<int64_t>(size_);
  const int64_t row_tiles = ceil_div(rows_.extent, row_tile_);
  const int64_t inner_tiles = ceil_div(inner_.extent, inner_tile_);
  int64_t tasks = row_tiles * inner_tiles;
  for (const Axis& axis : loops_) tasks *= axis.extent;
  const int64_t grain = std::max<int64_t>(1, kTaskBytes * tasks / bytes_);
  team.parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      int64_t rest = task;
      const int64_t j = rest % inner_tiles * inner_tile_;
      rest /= inner_tiles;
      const int64_t i = rest % row_tiles * row_tile_;
      rest /= row_tiles;
      int64_t from = i * rows_.x + j * inner_.x;
      int64_t to = i * rows_.y + j * inner_.y;
      for (size_t d = loops_.size(); d-- > 0;) {
        const int64_t place = rest % loops_[d].extent;
        rest /= loops_[d].extent;
        from += place * loops_[d].x;
        to += place * loops_[d].y;
      }
      block(static_cast<const std::byte*>(x) + from * size, static_cast<std::byte*>(y) + to * size,
            {std::min(row_tile_, rows_.extent - i), rows_.x, rows_.y},
            {std::min(inner_tile_, inner_.extent - j), inner_.x, inner_.y});
    }
  });
}

}  // namespace penstock::ops
