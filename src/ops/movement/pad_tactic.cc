// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/facts_run.h"
#include "ops/layout_offset.h"
#include "ops/movement/move_tactic.h"
#include "ops/movement/movement.h"
#include "ops/movement/tactics.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using ir::Layout;

// What fills the padding: a value that repeats, or other places of the output.
class PadPlanner {
 public:
  PadPlanner(const NodeFacts& node, const Padding& pad)
      : pad_(pad),
        x_{node.inputs[0].shape, node.inputs[0].layout},
        y_{pad.shape, node.outputs[0].layout},
        value_(node.has_input(2) ? 2 : MoveStep::kZeros) {
    plan_.outputs = {pad.shape};
  }

  bool add_inside() {
    Box box = Box::whole(x_.shape);
    for (size_t d = 0; d < x_.shape.size(); ++d) {
      box.x_start[d] = std::max<int64_t>(0, -pad_.begin[d]);
      box.y_start[d] = std::max<int64_t>(0, pad_.begin[d]);
      box.shape[d] += std::min<int64_t>(0, pad_.begin[d]) + std::min<int64_t>(0, pad_.end[d]);
    }
    inside_ = box;
    return add(0, box, x_);
  }

  // Slabs before and after the inside along one axis: as wide as the whole output on axes that
  // were padded before, as the inside on the others.
  bool add_axis(size_t axis) {
    Box slab = Box::whole(pad_.shape);
    for (size_t d = 0; d < axis; ++d) {
      slab.shape[d] = inside_.shape[d];
      slab.y_start[d] = inside_.y_start[d];
    }
    const int64_t begin = std::max<int64_t>(0, pad_.begin[axis]);
    const int64_t after = begin + inside_.shape[axis];
    return pad_.mode == PadMode::kConstant
               ? add_value(slab, axis, 0, begin) &&
                     add_value(slab, axis, after, pad_.shape[axis] - after)
               : add_copies(slab, axis, 0, begin) &&
                     add_copies(slab, axis, after, pad_.shape[axis] - after);
  }

  MovePlan take() { return std::move(plan_); }

 private:
  bool add(int input, const Box& box, const Placement& from) {
    const auto moves = place(box, from, y_);
    if (!moves) return false;
    for (const PlacedMove& move : *moves) plan_.add(input, 0, move);
    return true;
  }

  bool add_value(Box slab, size_t axis, int64_t at, int64_t count) {
    if (count == 0) return true;
    slab.y_start[axis] = at;
    slab.shape[axis] = count;
    // Placed as a move inside the output, whose source then becomes the one value.
    slab.x_start = slab.y_start;
    const auto moves = place(slab, y_, y_);
    if (!moves) return false;
    for (PlacedMove move : *moves) {
      move.x_offset = 0;
      std::fill(move.move.x_strides.begin(), move.move.x_strides.end(), 0);
      plan_.add(value_, 0, std::move(move));
    }
    return true;
  }

  bool add_copies(Box slab, size_t axis, int64_t at, int64_t count) {
    slab.shape[axis] = 1;
    const int64_t shift = std::max<int64_t>(0, pad_.begin[axis]);
    const int64_t cropped = std::max<int64_t>(0, -pad_.begin[axis]);
    for (int64_t i = at; i < at + count; ++i) {
      const int64_t source =
          padded_source(i, x_.shape[axis], pad_.begin[axis], pad_.end[axis], pad_.mode);
      slab.x_start = slab.y_start;
      slab.x_start[axis] = source - cropped + shift;
      slab.y_start[axis] = i;
      if (!add(MoveStep::kOutput, slab, y_)) return false;
    }
    return true;
  }

  const Padding& pad_;
  Placement x_;
  Placement y_;
  int value_;
  Box inside_;
  MovePlan plan_;
};

Result<MovePlan> plan_pad(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(need_attributes(node, {{1, "pads"}, {3, "axes"}}));
  PENSTOCK_ASSIGN_OR_RETURN(const Padding pad, padding(node, FactsRun(node)));
  const Layout layout = node.outputs[0].layout;
  // The channels that fill up a block stay zero, so a value must not reach them.
  const bool pads_value = pad.mode == PadMode::kConstant && node.has_input(2);
  if (is_blocked(layout) && pads_value && pad.shape[1] % block_of(layout) != 0) {
    return Status(StatusCode::kUnsupported, "a last block of channels would get the value");
  }
  PadPlanner planner(node, pad);
  bool placed = planner.add_inside();
  for (size_t axis = pad.shape.size(); axis-- > 0 && placed;) placed = planner.add_axis(axis);
  if (!placed) {
    return Status(StatusCode::kUnsupported, "a block of channels would be cut apart");
  }
  return planner.take();
}

}  // namespace

const backends::Tactic& simd_pad() {
  static const MoveTactic kTactic("simd.pad", plan_pad,
                                  {Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16});
  return kTactic;
}

}  // namespace penstock::ops
