// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/layout_walk.h"

#include "ops/layout_offset.h"

namespace penstock::ops {
namespace {

using ir::Layout;
using Strides = std::vector<int64_t>;

int64_t blocks_of(const Shape& shape, int64_t block) { return (shape[1] + block - 1) / block; }

// (n, c, x...) as the layout orders them: (n, x..., c), or (n, c / block, x..., c % block).
Strides in_memory_order(const Strides& logical, Layout layout, int64_t outer_channel,
                        int64_t inner_channel) {
  Strides order = {logical[0]};
  if (layout != Layout::kChannelsLast) order.push_back(outer_channel);
  order.insert(order.end(), logical.begin() + 2, logical.end());
  order.push_back(inner_channel);
  return order;
}

Strides walk_plain(const backends::Operand& x, const Shape& shape, Layout layout) {
  const Strides strides = broadcast_strides(x.shape, shape);
  if (layout == Layout::kPlain) return strides;
  return in_memory_order(strides, layout, strides[1] * block_of(layout), strides[1]);
}

// An operand that lies in the layout it is walked in.
Strides walk_own(const backends::Operand& x, Layout layout) {
  const Shape& shape = x.shape;
  const bool last = layout == Layout::kChannelsLast;
  const int64_t block = last ? shape[1] : block_of(layout);
  Strides strides(shape.size(), 0);
  int64_t step = block;
  for (size_t axis = shape.size(); axis-- > 2;) {
    strides[axis] = shape[axis] == 1 ? 0 : step;
    step *= shape[axis];
  }
  const int64_t outer_channel = shape[1] == 1 ? 0 : step;
  const int64_t inner_channel = shape[1] == 1 ? 0 : 1;
  if (!last) step *= blocks_of(shape, block);
  strides[0] = shape[0] == 1 ? 0 : step;
  return in_memory_order(strides, layout, outer_channel, inner_channel);
}

}  // namespace

BroadcastLoop layout_walk(const Shape& shape, Layout layout,
                          const std::vector<const backends::Operand*>& operands) {
  BroadcastLoop loop{shape, {}};
  if (layout != Layout::kPlain) {
    const int64_t block = layout == Layout::kChannelsLast ? shape[1] : block_of(layout);
    loop.extents =
        in_memory_order(shape, layout, blocks_of(shape, std::max<int64_t>(1, block)), block);
  }
  for (const backends::Operand* x : operands) {
    const bool own = layout != Layout::kPlain && x->layout == layout;
    loop.strides.push_back(own ? walk_own(*x, layout) : walk_plain(*x, shape, layout));
  }
  return loop;
}

}  // namespace penstock::ops
