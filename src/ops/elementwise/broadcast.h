// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/reference_util.h"

namespace penstock::ops {

// True where a tensor of shape `from` can be read as one of shape `to`. Extents that only a run
// tells are planned to agree; whether they do is for the kernel to see when it is bound.
bool broadcasts_to(const Shape& from, const Shape& to);

// How to walk an output and the operands broadcast to it: extents, outermost first, and for each
// operand its strides in elements, 0 where it repeats.
struct BroadcastLoop {
  Shape extents;
  std::vector<std::vector<int64_t>> strides;
};

// Row-major operands of these shapes seen as `target`, with axes of extent 1 dropped and neighbours
// merged that every operand walks as one. At least one axis remains.
BroadcastLoop broadcast_loop(const Shape& target, const std::vector<const Shape*>& operands);

// Drops and merges axes of a loop whose output is contiguous in the loop's order.
void collapse_axes(BroadcastLoop& loop);

// Calls row(out, offsets) for every innermost run of the loop: `out` counts output elements,
// `offsets` has the element offset of each operand. Never for an empty output.
template <typename Row>
void for_each_row(const BroadcastLoop& loop, Row&& row) {
  if (element_count(loop.extents) == 0) return;
  const size_t last = loop.extents.size() - 1;
  std::vector<int64_t> index(last, 0);
  std::vector<int64_t> offsets(loop.strides.size(), 0);
  for (int64_t out = 0;; out += loop.extents[last]) {
    row(out, static_cast<const std::vector<int64_t>&>(offsets));
    size_t axis = last;
    while (axis > 0) {
      --axis;
      for (size_t k = 0; k < offsets.size(); ++k) offsets[k] += loop.strides[k][axis];
      if (++index[axis] < loop.extents[axis]) break;
      for (size_t k = 0; k < offsets.size(); ++k) {
        offsets[k] -= loop.strides[k][axis] * loop.extents[axis];
      }
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (last == 0) return;
  }
}

// y = f(a, b) over a loop of two operands; f works on the types that arithmetic happens in.
template <typename A, typename B, typename Y, typename F>
void map_binary(const BroadcastLoop& loop, const A* a, const B* b, Y* y, F f) {
  const int64_t n = loop.extents.back();
  const int64_t step_a = loop.strides[0].back();
  const int64_t step_b = loop.strides[1].back();
  for_each_row(loop, [&](int64_t out, const std::vector<int64_t>& at) {
    const A* pa = a + at[0];
    const B* pb = b + at[1];
    Y* py = y + out;
    if (step_a == 1 && step_b == 1) {  // apart, so that compilers vectorize it
      for (int64_t i = 0; i < n; ++i) {
        py[i] = static_cast<Y>(f(static_cast<Compute<A>>(pa[i]), static_cast<Compute<B>>(pb[i])));
      }
      return;
    }
    for (int64_t i = 0; i < n; ++i) {
      py[i] = static_cast<Y>(
          f(static_cast<Compute<A>>(pa[i * step_a]), static_cast<Compute<B>>(pb[i * step_b])));
    }
  });
}

}  // namespace penstock::ops
