// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "ops/op_definition.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {

const OpDefinition& gather_op();
const OpDefinition& gather_elements_op();
const OpDefinition& gather_nd_op();
const OpDefinition& scatter_elements_op();
const OpDefinition& scatter_nd_op();
const OpDefinition& one_hot_op();
const OpDefinition& non_zero_op();
const OpDefinition& compress_op();
const OpDefinition& unique_op();
const OpDefinition& top_k_op();
const OpDefinition& tensor_scatter_op();
const OpDefinition& embedding_concat_op();

inline Status index_out_of_range(int64_t index, int64_t extent) {
  return {StatusCode::kInvalidArgument,
          "index " + std::to_string(index) + " is outside an axis of " + std::to_string(extent)};
}

// Counts a negative index from the end; an error where the index is outside.
inline Result<int64_t> wrap_index(int64_t index, int64_t extent) {
  if (index < -extent || index >= extent) return index_out_of_range(index, extent);
  return index < 0 ? index + extent : index;
}

// The shape of a Gather's result.
template <typename S>
S gathered_shape(const S& data, const S& indices, int64_t axis) {
  S shape(data.begin(), data.begin() + axis);
  shape.insert(shape.end(), indices.begin(), indices.end());
  shape.insert(shape.end(), data.begin() + axis + 1, data.end());
  return shape;
}

// How TopK orders: the better value first. NaN counts as greater than every number, as in NumPy.
template <typename T>
bool is_better(T a, T b, bool largest) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a || b != b) return largest ? (a != a && b == b) : (a == a && b != b);
  }
  return largest ? a > b : a < b;
}

// Where TopK works, and the extents around it.
struct TopKFacts {
  int64_t axis = 0;
  int64_t k = 0;
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner = 1;
  Shape shape;
};
Result<TopKFacts> top_k_facts(const backends::NodeFacts& node, const backends::KernelRun& run);

// Where GatherND and ScatterND look: index tuples of `depth` extents after `batch_dims` shared
// ones.
struct NdFacts {
  int64_t batches = 1;  // product of the shared extents
  int64_t tuples = 1;   // index tuples per batch
  int64_t depth = 0;
  int64_t slice = 1;  // elements that one tuple addresses
  Shape limits;       // the extents that the tuple indexes
};
NdFacts nd_facts(const Shape& data, const Shape& indices, int64_t batch_dims);
// First element of the slice that a tuple addresses, in its batch; an error where it is outside.
Result<int64_t> nd_offset(const NdFacts& facts, const int64_t* tuple);

}  // namespace penstock::ops
