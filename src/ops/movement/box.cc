// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/box.h"

#include "ops/layout_offset.h"

namespace penstock::ops {
namespace {

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// The box with its channel axis as blocks and places in them: `count` channels from `first` on, of
// which `width` make an axis of their own.
PlacedMove with_blocks(const Box& box, const Placement& x, const Placement& y, int64_t block,
                       int64_t first, int64_t count, int64_t width) {
  const std::vector<int64_t> x_strides = layout_strides(x);
  const std::vector<int64_t> y_strides = layout_strides(y);
  // From a block to the next, and inside one.
  const auto per_block = [&](const Placement& p, const std::vector<int64_t>& strides) {
    return is_blocked(p.layout) ? strides[1] : strides[1] * block;
  };
  const auto inside = [&](const Placement& p, const std::vector<int64_t>& strides) {
    return is_blocked(p.layout) ? 1 : strides[1];
  };
  PlacedMove placed;
  placed.x_offset = (box.x_start[1] + first) / block * per_block(x, x_strides) +
                    (box.x_start[1] + first) % block * inside(x, x_strides);
  placed.y_offset = (box.y_start[1] + first) / block * per_block(y, y_strides) +
                    (box.y_start[1] + first) % block * inside(y, y_strides);
  for (size_t d = 0; d < box.shape.size(); ++d) {
    if (d == 1) {
      placed.move.shape.insert(placed.move.shape.end(), {count / width, width});
      placed.move.x_strides.insert(placed.move.x_strides.end(),
                                   {per_block(x, x_strides), inside(x, x_strides)});
      placed.move.y_strides.insert(placed.move.y_strides.end(),
                                   {per_block(y, y_strides), inside(y, y_strides)});
      continue;
    }
    placed.move.shape.push_back(box.shape[d]);
    placed.move.x_strides.push_back(x_strides[d] * box.x_step[d]);
    placed.move.y_strides.push_back(y_strides[d]);
    placed.x_offset += box.x_start[d] * x_strides[d];
    placed.y_offset += box.y_start[d] * y_strides[d];
  }
  return placed;
}

std::optional<std::vector<PlacedMove>> place_blocked(const Box& box, const Placement& x,
                                                     const Placement& y) {
  if (box.shape.size() < 3 || box.x_step[1] != 1) return std::nullopt;
  const bool both = is_blocked(x.layout) && is_blocked(y.layout);
  if (both && x.layout != y.layout) return std::nullopt;
  const int64_t block = block_of(is_blocked(x.layout) ? x.layout : y.layout);
  if (box.x_start[1] % block != 0 || box.y_start[1] % block != 0) return std::nullopt;
  int64_t channels = box.shape[1];
  if (both && channels % block != 0) {
    // A last block goes with its padding, where both tensors end with it.
    if (box.x_start[1] + channels != x.shape[1] || box.y_start[1] + channels != y.shape[1]) {
      return std::nullopt;
    }
    channels = round_up(channels, block);
  }
  std::vector<PlacedMove> moves;
  const int64_t whole = channels / block * block;
  if (whole > 0) moves.push_back(with_blocks(box, x, y, block, 0, whole, block));
  const int64_t rest = channels - whole;
  if (rest > 0) moves.push_back(with_blocks(box, x, y, block, whole, rest, rest));
  return moves;
}

}  // namespace

Box Box::whole(const Shape& shape) {
  return {shape, Shape(shape.size(), 0), Shape(shape.size(), 1), Shape(shape.size(), 0)};
}

bool is_blocked(ir::Layout layout) { return block_of(layout) > 1; }

std::vector<int64_t> layout_strides(const Placement& placement) {
  const Shape& shape = placement.shape;
  std::vector<int64_t> strides(shape.size(), 1);
  if (placement.layout == ir::Layout::kPlain || shape.size() < 2) {
    for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    return strides;
  }
  const bool blocked = is_blocked(placement.layout);
  const int64_t block = block_of(placement.layout);
  int64_t stride = blocked ? block : shape[1];
  for (size_t i = shape.size(); i-- > 2;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  strides[1] = blocked ? stride : 1;
  strides[0] = blocked ? stride * (round_up(shape[1], block) / block) : stride;
  return strides;
}

std::optional<std::vector<PlacedMove>> place(const Box& box, const Placement& x,
                                             const Placement& y) {
  if (is_blocked(x.layout) || is_blocked(y.layout)) return place_blocked(box, x, y);
  const std::vector<int64_t> x_strides = layout_strides(x);
  PlacedMove placed;
  placed.move = {box.shape, x_strides, layout_strides(y)};
  for (size_t d = 0; d < box.shape.size(); ++d) {
    placed.move.x_strides[d] *= box.x_step[d];
    placed.x_offset += box.x_start[d] * x_strides[d];
    placed.y_offset += box.y_start[d] * placed.move.y_strides[d];
  }
  return std::vector{placed};
}

}  // namespace penstock::ops
