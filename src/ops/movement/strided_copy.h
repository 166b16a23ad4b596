// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <cstdint>
#include <vector>

#include "base/thread_team.h"

namespace penstock::ops {

// Element `index` of `shape` goes from x[index . x_strides] to y[index . y_strides]; all in
// elements. No two go to the same place. Strides of x may be 0 (repeats) or negative.
struct StridedMove {
  Shape shape;
  std::vector<int64_t> x_strides;
  std::vector<int64_t> y_strides;
};

// A move made ready to run at memory speed: extents of 1 dropped, neighbours joined, the rest in
// the order of y, and the inner loop chosen: runs of bytes, a repeated element, or the transpose of
// 2-D tiles. Immutable.
class StridedCopy {
 public:
  StridedCopy(size_t element_bytes, StridedMove move);

  void run(const void* x, void* y, const ThreadTeam& team) const;
  int64_t bytes() const { return bytes_; }  // moved

 private:
  enum class Kind { kRuns, kRepeats, kTiles, kElements };

  // One axis after another from the outside in; the last one or two are the block's.
  struct Axis {
    int64_t extent;
    int64_t x;  // strides
    int64_t y;
  };

  void choose();
  void block(const std::byte* x, std::byte* y, const Axis& outer, const Axis& inner) const;

  size_t size_;
  int64_t bytes_;
  Kind kind_ = Kind::kRuns;
  std::vector<Axis> loops_;  // around the block
  Axis rows_{1, 0, 0};       // the block: rows_ x inner_, inner_ contiguous in y
  Axis inner_{1, 1, 1};
  int64_t row_tile_ = 1;  // of rows_ and inner_, for one task
  int64_t inner_tile_ = 1;
};

}  // namespace penstock::ops
