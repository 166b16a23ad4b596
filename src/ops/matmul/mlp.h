// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/epilogue.h"
#include "ops/indexing/embedding_pieces.h"

namespace penstock::ops {

// One product of an MLP: the inputs of the node that are its weights and its bias, which may be
// absent, and what follows.
struct MlpLayer {
  size_t weights = 0;
  size_t bias = 0;
  bool trans_b = false;
  Epilogue epilogue;  // no operands
};

// A chain of matrix products: the rows that its pieces make go through the layers.
struct MlpFacts {
  EmbeddingPieces pieces;
  std::vector<MlpLayer> layers;
};

// Of attributes "pieces", "epilogue" (the layers' epilogues between bars: "relu|sigmoid") and
// "trans_b" (an integer a layer), for a node of that many inputs.
Result<MlpFacts> mlp_facts(const ir::Attributes& attributes, size_t inputs);

}  // namespace penstock::ops
