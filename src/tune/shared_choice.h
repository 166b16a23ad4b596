// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "tune/tuner.h"

namespace penstock::tune {

// What the profiles of a plan chose so far. A constant that two of them pack alike is stored once.
class SharedChoice {
 public:
  // Where two measurements cannot tell a node's candidates apart, one of the same layouts that an
  // earlier profile took replaces the choice. Only for nodes with constants; remembers the result.
  void apply(const std::vector<NodeCandidates>& nodes, std::vector<size_t>& choice);

 private:
  struct Taken {
    const backends::Tactic* tactic;
    backends::Form form;
  };

  size_t prefer_taken(const NodeCandidates& node, size_t chosen,
                      const std::vector<Taken>& taken) const;

  std::vector<std::vector<Taken>> taken_;  // by node
};

}  // namespace penstock::tune
