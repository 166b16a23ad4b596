// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/indexing/indexing.h"

namespace penstock::ops {

OpList indexing_ops() {
  return {
      &gather_op(),     &gather_elements_op(), &gather_nd_op(), &scatter_elements_op(),
      &scatter_nd_op(), &one_hot_op(),         &non_zero_op(),  &compress_op(),
      &unique_op(),     &top_k_op(),
  };
}

}  // namespace penstock::ops
