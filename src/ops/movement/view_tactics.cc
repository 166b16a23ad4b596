// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/facts_run.h"
#include "ops/movement/move_tactic.h"
#include "ops/movement/movement.h"
#include "ops/movement/tactics.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Operand;
using ir::Layout;

const std::vector<Layout> kAllLayouts = {Layout::kChannelsLast, Layout::kBlocked8,
                                         Layout::kBlocked16};

Placement placement_of(const Operand& operand) { return {operand.shape, operand.layout}; }

Status cuts_blocks() {
  return {StatusCode::kUnsupported, "a block of channels would be cut apart"};
}

// A view that both sides see in row-major order.
Result<MovePlan> plain_plan(Shape shape, View view) {
  MovePlan plan;
  plan.outputs = {std::move(shape)};
  const std::vector<int64_t> y_strides = strides_of(view.shape);
  plan.add(0, 0, {view.offset, 0, {view.shape, view.strides, y_strides}});
  return plan;
}

Result<MovePlan> plan_transpose(const NodeFacts& node) {
  const Placement x = placement_of(node.inputs[0]);
  if (is_blocked(x.layout) || is_blocked(node.outputs[0].layout)) return cuts_blocks();
  PENSTOCK_ASSIGN_OR_RETURN(View view, transpose_view(node, x.shape));
  const std::vector<int64_t> x_strides = layout_strides(x);
  // transpose_view gives row-major strides; the permutation is what takes those of any layout.
  std::vector<int64_t> perm = node.attributes.get_ints("perm");
  if (perm.empty()) {
    for (size_t d = x.shape.size(); d-- > 0;) perm.push_back(static_cast<int64_t>(d));
  }
  PENSTOCK_ASSIGN_OR_RETURN(perm, normalize_axes(perm, static_cast<int64_t>(x.shape.size())));
  for (size_t d = 0; d < perm.size(); ++d) view.strides[d] = x_strides[perm[d]];
  MovePlan plan;
  plan.outputs = {view.shape};
  plan.add(
      0, 0,
      {0, 0, {view.shape, view.strides, layout_strides({view.shape, node.outputs[0].layout})}});
  return plan;
}

Result<MovePlan> plan_slice(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(
      need_attributes(node, {{1, "starts"}, {2, "ends"}, {3, "axes"}, {4, "steps"}}));
  const FactsRun run(node);
  PENSTOCK_ASSIGN_OR_RETURN(const View view, slice_view(node, run));
  const Placement x = placement_of(node.inputs[0]);
  // The cut of each axis, out of the row-major view.
  const std::vector<int64_t> own = strides_of(x.shape);
  Box box = Box::whole(view.shape);
  int64_t rest = view.offset;
  for (size_t d = 0; d < own.size(); ++d) {
    if (element_count(view.shape) == 0) break;
    box.x_step[d] = own[d] == 0 ? 1 : view.strides[d] / own[d];
    box.x_start[d] = rest / own[d];
    rest %= own[d];
  }
  const auto moves = place(box, x, {view.shape, node.outputs[0].layout});
  if (!moves) return cuts_blocks();
  MovePlan plan;
  plan.outputs = {view.shape};
  for (const PlacedMove& move : *moves) plan.add(0, 0, move);
  return plan;
}

Result<MovePlan> plan_concat(const NodeFacts& node) {
  const FactsRun run(node);
  PENSTOCK_ASSIGN_OR_RETURN(const ConcatShape joined, concat_shape(node, run));
  MovePlan plan;
  plan.outputs = {joined.shape};
  int64_t at = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Placement x = placement_of(node.inputs[i]);
    Box box = Box::whole(x.shape);
    box.y_start[joined.axis] = at;
    at += x.shape[joined.axis];
    const auto moves = place(box, x, {joined.shape, node.outputs[0].layout});
    if (!moves) return cuts_blocks();
    for (const PlacedMove& move : *moves) plan.add(static_cast<int>(i), 0, move);
  }
  return plan;
}

Result<MovePlan> plan_split(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(need_attributes(node, {{1, "split"}}));
  const FactsRun run(node);
  PENSTOCK_ASSIGN_OR_RETURN(const SplitSizes split, split_sizes(node, run));
  const Placement x = placement_of(node.inputs[0]);
  MovePlan plan;
  int64_t at = 0;
  for (size_t i = 0; i < split.sizes.size(); ++i) {
    Shape shape = x.shape;
    shape[split.axis] = split.sizes[i];
    Box box = Box::whole(shape);
    box.x_start[split.axis] = at;
    at += split.sizes[i];
    plan.outputs.push_back(shape);
    if (!node.has_output(i)) continue;
    const auto moves = place(box, x, {shape, node.outputs[i].layout});
    if (!moves) return cuts_blocks();
    for (const PlacedMove& move : *moves) plan.add(0, i, move);
  }
  return plan;
}

Result<MovePlan> plan_expand(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(need_attributes(node, {{1, "shape"}}));
  PENSTOCK_ASSIGN_OR_RETURN(View view, expand_view(node, FactsRun(node)));
  return plain_plan(view.shape, view);
}

Result<MovePlan> plan_tile(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(need_attributes(node, {{1, "repeats"}}));
  PENSTOCK_ASSIGN_OR_RETURN(TiledView tiled, tile_view(node, FactsRun(node)));
  return plain_plan(tiled.shape, tiled.view);
}

// Both directions: `small` has the block in its channels, `large` in its places. Axes of the move:
// batch, the block's row and column, channel, row, column.
Result<MovePlan> plan_blocks(const NodeFacts& node, const Shape& y, bool to_space) {
  const Placement x = placement_of(node.inputs[0]);
  const Placement result = {y, node.outputs[0].layout};
  if (is_blocked(x.layout) || is_blocked(result.layout)) return cuts_blocks();
  const Placement& small = to_space ? x : result;
  const Placement& large = to_space ? result : x;
  const std::vector<int64_t> s = layout_strides(small);
  const std::vector<int64_t> l = layout_strides(large);
  const int64_t b = node.attributes.get_int("blocksize");
  const int64_t depth = large.shape[1];
  const bool inside = node.attributes.get_string("mode", "DCR") == "CRD";
  const int64_t place = inside ? 1 : depth;  // channels from one place of the block to the next
  const int64_t channel = inside ? b * b : 1;
  const std::vector<int64_t> in_small = {s[0], s[1] * place * b, s[1] * place, s[1] * channel, s[2],
                                         s[3]};
  const std::vector<int64_t> in_large = {l[0], l[2], l[3], l[1], l[2] * b, l[3] * b};
  const Shape shape = {small.shape[0], b, b, depth, small.shape[2], small.shape[3]};
  MovePlan plan;
  plan.outputs = {y};
  plan.add(0, 0, {0, 0, {shape, to_space ? in_small : in_large, to_space ? in_large : in_small}});
  return plan;
}

Result<MovePlan> plan_depth_to_space(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const TiledView view, depth_to_space_view(node, node.inputs[0].shape));
  return plan_blocks(node, view.shape, true);
}

Result<MovePlan> plan_space_to_depth(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const TiledView view, space_to_depth_view(node, node.inputs[0].shape));
  return plan_blocks(node, view.shape, false);
}

}  // namespace

const backends::Tactic& simd_transpose() {
  static const FreeLayoutTactic kTactic("simd.transpose", plan_transpose, {Layout::kChannelsLast});
  return kTactic;
}

const backends::Tactic& simd_slice() {
  static const MoveTactic kTactic("simd.slice", plan_slice, kAllLayouts);
  return kTactic;
}

const backends::Tactic& simd_concat() {
  static const MoveTactic kTactic("simd.concat", plan_concat, kAllLayouts);
  return kTactic;
}

const backends::Tactic& simd_split() {
  static const MoveTactic kTactic("simd.split", plan_split, kAllLayouts);
  return kTactic;
}

const backends::Tactic& simd_expand() {
  static const MoveTactic kTactic("simd.expand", plan_expand, {});
  return kTactic;
}

const backends::Tactic& simd_tile() {
  static const MoveTactic kTactic("simd.tile", plan_tile, {});
  return kTactic;
}

const backends::Tactic& simd_depth_to_space() {
  static const FreeLayoutTactic kTactic("simd.depth_to_space", plan_depth_to_space,
                                        {Layout::kChannelsLast});
  return kTactic;
}

const backends::Tactic& simd_space_to_depth() {
  static const FreeLayoutTactic kTactic("simd.space_to_depth", plan_space_to_depth,
                                        {Layout::kChannelsLast});
  return kTactic;
}

}  // namespace penstock::ops
