// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "ir/layout.h"
#include "ops/movement/strided_copy.h"

namespace penstock::ops {

// Part of one tensor that goes to part of another: element i of the box is x[x_start + i * x_step],
// y[y_start + i], axis by axis.
struct Box {
  Shape shape;
  std::vector<int64_t> x_start;
  std::vector<int64_t> x_step;
  std::vector<int64_t> y_start;

  // The whole of a tensor.
  static Box whole(const Shape& shape);
};

// How a tensor lies.
struct Placement {
  Shape shape;
  ir::Layout layout = ir::Layout::kPlain;
};

// A box as a move between two places in memory, in elements.
struct PlacedMove {
  int64_t x_offset = 0;
  int64_t y_offset = 0;
  StridedMove move;
};

// Strides per axis in elements; blocked layouts have none for the channel axis, and give that of
// whole blocks.
std::vector<int64_t> layout_strides(const Placement& placement);
bool is_blocked(ir::Layout layout);

// The moves of a box from x to y, both in one layout, or one of them plain or channels_last.
// Nothing where the box cuts a block of channels apart.
std::optional<std::vector<PlacedMove>> place(const Box& box, const Placement& x,
                                             const Placement& y);

}  // namespace penstock::ops
