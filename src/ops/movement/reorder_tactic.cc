// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/layout_offset.h"
#include "ops/movement/move_tactic.h"
#include "ops/movement/tactics.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Offer;
using ir::Layout;

// Zeros for the last block of y, where channels do not fill it: all of it, since a contiguous run
// is quicker to write than its parts.
void add_zeros(const Placement& y, MovePlan& plan) {
  const int64_t block = block_of(y.layout);
  if (y.shape[1] % block == 0) return;
  const std::vector<int64_t> strides = layout_strides(y);
  StridedMove move{{y.shape[0], strides[1]}, {0, 0}, {strides[0], 1}};
  plan.add(MoveStep::kZeros, 0, {0, y.shape[1] / block * strides[1], std::move(move)});
}

Result<MovePlan> plan_reorder(const NodeFacts& node) {
  const Placement x = {node.inputs[0].shape, node.inputs[0].layout};
  const Placement y = {x.shape, node.outputs[0].layout};
  const auto moves = place(Box::whole(x.shape), x, y);
  if (!moves) {
    return Status(StatusCode::kUnsupported,
                  "no kernel between these layouts for rank " + std::to_string(x.shape.size()));
  }
  MovePlan plan;
  plan.outputs = {x.shape};
  if (is_blocked(y.layout) && x.layout != y.layout) add_zeros(y, plan);
  for (const PlacedMove& move : *moves) plan.add(0, 0, move);
  return plan;
}

// The layouts are the node's to say: a Reorder is between two that others chose.
class ReorderTactic : public MoveTactic {
 public:
  ReorderTactic() : MoveTactic("simd.reorder", plan_reorder, {}) {}

  Offer offer(const NodeFacts& node) const override {
    const size_t size = size_of(node.inputs[0].dtype);
    if (size != 1 && size != 2 && size != 4 && size != 8) {
      return Offer::refuse("moves elements of 1, 2, 4 or 8 bytes");
    }
    const Result<MovePlan> plan = plan_reorder(node);
    if (!plan.is_ok()) return Offer::refuse(plan.status().message());
    return {{{{node.inputs[0].layout}, {node.outputs[0].layout}, ""}}, ""};
  }
};

}  // namespace

const backends::Tactic& simd_reorder() {
  static const ReorderTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
