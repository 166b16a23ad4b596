// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/minimum_cut.h"

#include <algorithm>
#include <utility>

namespace penstock::tune {

void MinimumCut::add_edge(size_t from, size_t to, int64_t capacity) {
  leaving_[from].push_back(edges_.size());
  edges_.push_back({to, capacity});
  leaving_[to].push_back(edges_.size());
  edges_.push_back({from, 0});
}

// The source's side is the first: an edge from it is cut where its end stands on the second.
size_t MinimumCut::add_vertex(int64_t price_on_first, int64_t price_on_second) {
  const size_t vertex = leaving_.size();
  leaving_.emplace_back();
  add_edge(kSource, vertex, price_on_second);
  add_edge(vertex, kSink, price_on_first);
  return vertex - 2;
}

void MinimumCut::add_price(size_t on_first, size_t on_second, int64_t price) {
  add_edge(on_first + 2, on_second + 2, price);
}

bool MinimumCut::find_levels() {
  levels_.assign(leaving_.size(), -1);
  levels_[kSource] = 0;
  std::vector<size_t> queue = {kSource};
  for (size_t head = 0; head < queue.size(); ++head) {
    for (size_t index : leaving_[queue[head]]) {
      const Edge& edge = edges_[index];
      if (edge.left == 0 || levels_[edge.to] >= 0) continue;
      levels_[edge.to] = levels_[queue[head]] + 1;
      queue.push_back(edge.to);
    }
  }
  return levels_[kSink] >= 0;
}

// One path from the source to the sink along rising levels; no recursion: graphs are deep.
int64_t MinimumCut::push(size_t vertex, int64_t most) {
  std::vector<size_t> path;  // edges
  while (vertex != kSink) {
    size_t& next = next_[vertex];
    const auto& leaving = leaving_[vertex];
    while (next < leaving.size() && (edges_[leaving[next]].left == 0 ||
                                     levels_[edges_[leaving[next]].to] != levels_[vertex] + 1)) {
      ++next;
    }
    if (next < leaving.size()) {
      path.push_back(leaving[next]);
      vertex = edges_[path.back()].to;
      continue;
    }
    if (path.empty()) return 0;
    // A dead end: back by one edge, which leads nowhere.
    vertex = edges_[path.back() ^ 1].to;
    path.pop_back();
    ++next_[vertex];
  }
  for (size_t index : path) most = std::min(most, edges_[index].left);
  for (size_t index : path) {
    edges_[index].left -= most;
    edges_[index ^ 1].left += most;
  }
  return most;
}

std::vector<bool> MinimumCut::solve() {
  while (find_levels()) {
    next_.assign(leaving_.size(), 0);
    while (push(kSource, kForbidden) > 0) {
    }
  }
  std::vector<bool> second;
  for (size_t vertex = 2; vertex < leaving_.size(); ++vertex) {
    second.push_back(levels_[vertex] < 0);
  }
  return second;
}

}  // namespace penstock::tune
