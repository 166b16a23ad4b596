// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace penstock::tune {

// Choices between two sides, made together: what each vertex costs on either side, and what it
// costs to stand on the first while another stands on the second. The cheapest choice is the
// minimum cut of a network (Greig, Porteous, Seheult 1989), found by blocking flows (Dinic 1970).
class MinimumCut {
 public:
  // A price that no sum of others reaches.
  static constexpr int64_t kForbidden = int64_t{1} << 50;

  size_t add_vertex(int64_t price_on_first, int64_t price_on_second);
  // To pay where `on_first` stands on the first side and `on_second` on the second.
  void add_price(size_t on_first, size_t on_second, int64_t price);
  // True for vertices on the second side.
  std::vector<bool> solve();

 private:
  struct Edge {
    size_t to;
    int64_t left;  // capacity
  };

  bool find_levels();
  int64_t push(size_t vertex, int64_t most);
  void add_edge(size_t from, size_t to, int64_t capacity);

  static constexpr size_t kSource = 0, kSink = 1;
  std::vector<Edge> edges_;                              // each before its reverse
  std::vector<std::vector<size_t>> leaving_ = {{}, {}};  // edges of each vertex of the network
  std::vector<int> levels_;
  std::vector<size_t> next_;
};

}  // namespace penstock::tune
