// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/thread_team.h"

namespace penstock::ops {

// ThreadTeam::parallel_for for kernels with a workspace for each thread: calls
// body(begin, end, slot), where slot < most_slots differs between calls that run at once.
template <typename Body>
void parallel_slots(const ThreadTeam& team, int most_slots, int64_t n, int64_t grain, Body&& body) {
  if (n <= 0) return;
  const int64_t ranges = (n + grain - 1) / std::max<int64_t>(1, grain);
  const int64_t slots = std::min<int64_t>({ranges, most_slots, team.width()});
  team.parallel_for(slots, 1, [&](int64_t first, int64_t last) {
    for (int64_t slot = first; slot < last; ++slot) {
      body(n * slot / slots, n * (slot + 1) / slots, slot);
    }
  });
}

// Rows of that many elements that are worth a thread of their own.
inline int64_t rows_per_thread(int64_t row_elements) {
  constexpr int64_t kElements = 8192;
  return std::max<int64_t>(1, kElements / std::max<int64_t>(1, row_elements));
}

}  // namespace penstock::ops
