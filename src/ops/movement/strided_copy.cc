// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/strided_copy.h"

#include <algorithm>

#include "ops/movement/block_kernels.h"

namespace penstock::ops {
namespace {

constexpr int64_t kTaskBytes = 32 * 1024;  // what is worth a thread's start
constexpr int64_t kTileBytes = 16 * 1024;  // of a transpose: source and target fit the first cache

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
    } else {
      transpose(reinterpret_cast<const T*>(x), inner.x, reinterpret_cast<T*>(y), rows.y,
                inner.extent, rows.extent);
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
