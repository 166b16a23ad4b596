// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/broadcast.h"

namespace penstock::ops {

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  const size_t offset = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1 && from[i] != to[offset + i]) return false;
  }
  return true;
}

void collapse_axes(BroadcastLoop& loop) {
  BroadcastLoop merged;
  merged.strides.resize(loop.strides.size());
  for (size_t axis = 0; axis < loop.extents.size(); ++axis) {
    const int64_t extent = loop.extents[axis];
    if (extent == 1) continue;
    bool merges = !merged.extents.empty();
    for (size_t k = 0; k < loop.strides.size() && merges; ++k) {
      merges = merged.strides[k].back() == loop.strides[k][axis] * extent;
    }
    if (merges) {
      merged.extents.back() *= extent;
    } else {
      merged.extents.push_back(extent);
    }
    for (size_t k = 0; k < loop.strides.size(); ++k) {
      if (!merges) merged.strides[k].push_back(0);
      merged.strides[k].back() = loop.strides[k][axis];
    }
  }
  if (merged.extents.empty()) {
    merged.extents = {1};
    for (auto& strides : merged.strides) strides = {0};
  }
  loop = std::move(merged);
}

BroadcastLoop broadcast_loop(const Shape& target, const std::vector<const Shape*>& operands) {
  BroadcastLoop loop{target, {}};
  for (const Shape* shape : operands) loop.strides.push_back(broadcast_strides(*shape, target));
  collapse_axes(loop);
  return loop;
}

}  // namespace penstock::ops
