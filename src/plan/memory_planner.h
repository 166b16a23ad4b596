// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock::plan {

// A block of scratch memory needed from step `first` to step `last`, both included.
struct Block {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
  int same_place_as = -1;  // index of an earlier block whose memory this one takes over (in place)
};

struct MemoryPlan {
  std::vector<size_t> offsets;  // per block, multiples of 64
  size_t peak_bytes = 0;        // size of the arena
  size_t total_bytes = 0;       // sum of all blocks, as if nothing were shared
};

// Offsets such that blocks alive at the same step never overlap. Greedy by size: largest first,
// each into the tightest gap that its life leaves free (Pisarchyk and Lee, "Efficient Memory
// Management for Deep Neural Net Inference", 2020).
MemoryPlan plan_memory(const std::vector<Block>& blocks);

}  // namespace penstock::plan
