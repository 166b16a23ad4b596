// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "backends/tactic.h"

namespace penstock::ops {

// What a node has to do at least, whoever does it.
struct Cost {
  double operations = 0;    // arithmetic; a multiplication with its addition counts as two
  double bytes = 0;         // that it reads and writes, each once
  bool is_product = false;  // a convolution, matrix product or the like: made of sums of products
};

// By the shapes, types and attributes of a node. Of an operator that picks elements (Gather) only
// what it picks is read.
Cost cost_of(const backends::NodeFacts& node);

}  // namespace penstock::ops
