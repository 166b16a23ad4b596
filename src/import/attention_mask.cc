// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/attention_mask.h"

#include <limits>

namespace penstock::importer {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

}  // namespace

void AttentionMask::keep(ir::Value* condition) {
  keep_ = keep_ == nullptr ? condition : emit_("And", {keep_, condition});
}

void AttentionMask::add_mask(ir::Value* mask, DataType dtype) {
  mask = with_all_keys(mask);
  if (mask->dtype == DataType::kBool) return keep(mask);
  bias_ = emit_.cast(mask, dtype);
}

ir::Value* AttentionMask::with_all_keys(ir::Value* mask) {
  const size_t rank = mask->shape.size();
  if (rank == 0 || mask->shape.back() == extents_.keys) return mask;
  ir::SymbolicShape pads(2 * rank, 0);
  pads.back() = extents_.keys - mask->shape.back();
  if (mask->dtype == DataType::kBool) return emit_("Pad", {mask}, {{"pads", std::move(pads)}});
  return emit_("Pad", {mask, nullptr, emit_.scalar(kHidden, mask->dtype)},
               {{"pads", std::move(pads)}});
}

ir::Value* AttentionMask::place_of_keys() { return emit_.range(extents_.keys); }

ir::Value* AttentionMask::place_of_queries() {
  ir::Value* places = emit_.range(extents_.queries);
  if (counts_ == nullptr) {
    if (!extents_.past.is_constant(0)) {
      places = emit_("Add", {places, emit_.extent(extents_.past)});
    }
    return emit_.reshape(places, {extents_.queries, 1});
  }
  ir::Value* first = emit_("Sub", {counts_, emit_.extent(extents_.queries)});
  return emit_("Add", {emit_.reshape(places, {extents_.queries, 1}), first});
}

void AttentionMask::set_key_counts(ir::Value* counts) {
  counts_ = emit_.reshape(counts, {extents_.batch, 1, 1, 1});
  keep(emit_("Less", {place_of_keys(), counts_}));
}

void AttentionMask::add_causal() {
  // The first query sees all keys, so all queries do.
  const ir::Dim spare = extents_.past + 1 - extents_.keys;
  if (counts_ == nullptr && spare.is_provably_non_negative()) return;
  keep(emit_("LessOrEqual", {place_of_keys(), place_of_queries()}));
}

void AttentionMask::add_window(int64_t left, int64_t right) {
  if (left < 0 && right < 0) return;
  ir::Value* distance = emit_("Sub", {place_of_queries(), place_of_keys()});
  if (left >= 0) keep(emit_("LessOrEqual", {distance, emit_.extent(left)}));
  if (right >= 0) keep(emit_("GreaterOrEqual", {distance, emit_.extent(-right)}));
}

// A mask of [.., heads, queries, keys] as the scores lie.
ir::Value* AttentionMask::folded(ir::Value* mask) {
  const int64_t groups = extents_.groups;
  if (groups == 1 || mask->shape.size() < 2 || mask->shape.size() > 4) return mask;
  ir::SymbolicShape shape = mask->shape;
  shape.insert(shape.begin(), 4 - shape.size(), 1);
  if (shape[1].is_constant(1)) {
    if (shape[2].is_constant(1)) return mask;
    ir::Value* apart = emit_.reshape(mask, {shape[0], 1, 1, shape[2], shape[3]});
    apart = emit_.expand(apart, {shape[0], 1, groups, shape[2], shape[3]});
    return emit_.reshape(apart, {shape[0], 1, shape[2] * groups, shape[3]});
  }
  const ir::Dim rows = extents_.queries;
  if (!(shape[2] == rows)) {
    mask = emit_.expand(mask, {shape[0], extents_.key_heads * groups, rows, shape[3]});
  }
  return emit_.reshape(mask, {shape[0], extents_.key_heads, rows * groups, shape[3]});
}

ir::Value* AttentionMask::merged(DataType dtype) {
  if (bias_ == nullptr) return keep_ == nullptr ? nullptr : folded(keep_);
  if (keep_ == nullptr) return folded(bias_);
  return folded(emit_("Where", {keep_, bias_, emit_.scalar(kHidden, dtype)}));
}

ir::Value* AttentionMask::apply(ir::Value* scores) {
  if (bias_ != nullptr) scores = emit_("Add", {scores, folded(bias_)});
  if (keep_ == nullptr) return scores;
  return emit_("Where", {folded(keep_), scores, emit_.scalar(kHidden, scores->dtype)});
}

}  // namespace penstock::importer
