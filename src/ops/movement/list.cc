// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/movement/movement.h"
#include "ops/movement/tactics.h"

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
      &pad_channels_op(),
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
      &copy_op(),
  };
}

TacticList movement_simd_tactics() {
  return {
      {"Transpose", &simd_transpose()},
      {"Concat", &simd_concat()},
      {"Split", &simd_split()},
      {"Slice", &simd_slice()},
      {"Pad", &simd_pad()},
      {"Expand", &simd_expand()},
      {"Tile", &simd_tile()},
      {"DepthToSpace", &simd_depth_to_space()},
      {"SpaceToDepth", &simd_space_to_depth()},
      {"Trilu", &simd_trilu()},
      {"Reorder", &simd_reorder()},
  };
}

}  // namespace penstock::ops
