// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/indexing/indexing.h"
#include "ops/indexing/tactics.h"

namespace penstock::ops {

OpList indexing_ops() {
  return {
      &gather_op(),     &gather_elements_op(), &gather_nd_op(),      &scatter_elements_op(),
      &scatter_nd_op(), &one_hot_op(),         &non_zero_op(),       &compress_op(),
      &unique_op(),     &top_k_op(),           &tensor_scatter_op(), &embedding_concat_op(),
  };
}

TacticList indexing_simd_tactics() {
  return {
      {"Gather", &simd_gather()},      {"GatherElements", &simd_gather_elements()},
      {"GatherND", &simd_gather_nd()}, {"ScatterND", &simd_scatter_nd()},
      {"TopK", &simd_top_k()},         {"NonZero", &simd_non_zero()},
  };
}

}  // namespace penstock::ops
