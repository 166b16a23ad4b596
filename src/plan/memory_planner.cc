// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/memory_planner.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace penstock::plan {
namespace {

constexpr size_t kAlignment = 64;

size_t align(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Blocks chained by in-place reuse are one allocation with one life.
struct Allocation {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
  size_t offset = 0;
};

bool overlap_in_time(const Allocation& a, const Allocation& b) {
  return a.first <= b.last && b.first <= a.last;
}

size_t tightest_gap(const Allocation& wanted,
                    const std::vector<const Allocation*>& placed_by_offset) {
  size_t best = std::numeric_limits<size_t>::max();
  size_t best_slack = std::numeric_limits<size_t>::max();
  size_t cursor = 0;
  for (const Allocation* other : placed_by_offset) {
    if (!overlap_in_time(wanted, *other)) continue;
    if (other->offset >= cursor + wanted.bytes &&
        other->offset - cursor - wanted.bytes < best_slack) {
      best_slack = other->offset - cursor - wanted.bytes;
      best = cursor;
    }
    cursor = std::max(cursor, other->offset + other->bytes);
  }
  return best == std::numeric_limits<size_t>::max() ? cursor : best;
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Block>& blocks) {
  std::vector<Allocation> allocations;
  std::vector<size_t> allocation_of(blocks.size());
  MemoryPlan plan;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block& block = blocks[i];
    const size_t bytes = align(block.bytes);
    plan.total_bytes += bytes;
    if (block.same_place_as >= 0) {
      Allocation& host = allocations[allocation_of[i] = allocation_of[block.same_place_as]];
      host.last = std::max(host.last, block.last);
      host.bytes = std::max(host.bytes, bytes);
    } else {
      allocation_of[i] = allocations.size();
      allocations.push_back({bytes, block.first, block.last, 0});
    }
  }
  std::vector<size_t> order(allocations.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return allocations[a].bytes > allocations[b].bytes; });
  std::vector<const Allocation*> placed;
  for (size_t index : order) {
    Allocation& allocation = allocations[index];
    allocation.offset = tightest_gap(allocation, placed);
    const auto where = std::upper_bound(
        placed.begin(), placed.end(), &allocation,
        [](const Allocation* a, const Allocation* b) { return a->offset < b->offset; });
    placed.insert(where, &allocation);
    plan.peak_bytes = std::max(plan.peak_bytes, allocation.offset + allocation.bytes);
  }
  plan.offsets.resize(blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) plan.offsets[i] = allocations[allocation_of[i]].offset;
  return plan;
}

}  // namespace penstock::plan
