// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace penstock {

// A fixed number of threads that share loops. It stands on OpenMP so that oneDNN's loops and ours
// run on the same threads: two pools would spin against each other on the same cores. Each thread
// that calls parallel_for has an OpenMP pool of its own, so teams of different streams never share
// workers.
class ThreadTeam {
 public:
  explicit ThreadTeam(int width) : width_(std::max(1, width)) {}

  int width() const { return width_; }

  // Makes OpenMP regions opened by the calling thread, oneDNN's included, keep to this width.
  void enter() const { omp_set_num_threads(width_); }

  // Calls body(begin, end) for disjoint ranges that cover [0, n), at most one per thread, each of
  // at least `grain` items where n allows. The call returns when all are done.
  template <typename Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) const {
    if (n <= 0) return;
    const int64_t most = (n + grain - 1) / std::max<int64_t>(1, grain);
    const int threads = static_cast<int>(std::min<int64_t>(width_, most));
    if (threads <= 1) {
      body(int64_t{0}, n);
      return;
    }
#pragma omp parallel num_threads(threads)
    {
      const int64_t share = omp_get_num_threads();
      const int64_t me = omp_get_thread_num();
      const int64_t begin = n * me / share;
      const int64_t end = n * (me + 1) / share;
      if (begin < end) body(begin, end);
    }
  }

 private:
  int width_;
};

}  // namespace penstock
