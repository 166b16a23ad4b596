// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/movement/movement.h"

namespace penstock::ops {

OpList movement_ops() {
  return {
      &reshape_op(),
      &flatten_op(),
      &squeeze_op(),
      &unsqueeze_op(),
      &transpose_op(),
      &concat_op(),
      &split_op(),
      &slice_op(),
      &pad_op(),
      &expand_op(),
      &tile_op(),
      &shape_op(),
      &size_op(),
      &extents_op(),
      &constant_of_shape_op(),
      &range_op(),
      &eye_like_op(),
      &depth_to_space_op(),
      &space_to_depth_op(),
      &reverse_sequence_op(),
      &trilu_op(),
      &reorder_op(),
  };
}

}  // namespace penstock::ops
