// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "import/emitter.h"

namespace penstock::importer {

// Extents that masks are made of: the scores are [batch, key_heads * groups, queries, keys].
struct MaskExtents {
  ir::Dim batch;
  ir::Dim key_heads;
  int64_t groups = 1;
  ir::Dim queries;
  ir::Dim keys;
  ir::Dim past = 0;  // keys before those of the first query
};

// Which keys a query may see, put together from masks, causality, windows and the number of keys
// that are there. Queries of one group stand in one head, one after another, as the product of
// queries and keys has them: [batch, key_heads, groups * queries, keys].
class AttentionMask {
 public:
  AttentionMask(Emitter& emit, MaskExtents extents) : emit_(emit), extents_(std::move(extents)) {}

  // A bool mask keeps where true; another one, of type `dtype`, is added. It may be too short for
  // the keys: those it lacks are hidden.
  void add_mask(ir::Value* mask, DataType dtype);
  // Keys of each batch item that are there: [batch].
  void set_key_counts(ir::Value* counts);
  void add_causal();
  // Keys more than `left` before or `right` after the query's own place are hidden; -1 is no bound.
  void add_window(int64_t left, int64_t right);

  bool is_empty() const { return keep_ == nullptr && bias_ == nullptr; }
  // One mask for the core operator: bool, or to be added. Null where nothing is hidden.
  ir::Value* merged(DataType dtype);
  // The scores with what is hidden at -inf.
  ir::Value* apply(ir::Value* scores);

 private:
  void keep(ir::Value* condition);
  ir::Value* place_of_keys();     // [keys]
  ir::Value* place_of_queries();  // [queries, 1], or [batch, 1, queries, 1]
  ir::Value* with_all_keys(ir::Value* mask);
  ir::Value* folded(ir::Value* mask);

  Emitter& emit_;
  MaskExtents extents_;
  ir::Value* counts_ = nullptr;  // [batch, 1, 1, 1]
  ir::Value* keep_ = nullptr;
  ir::Value* bias_ = nullptr;
};

}  // namespace penstock::importer
