// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/movement/view.h"

// The family's definitions, and what their reference and fast kernels share: the arithmetic of
// shapes at a run.
namespace penstock::ops {

const OpDefinition& reshape_op();
const OpDefinition& flatten_op();
const OpDefinition& squeeze_op();
const OpDefinition& unsqueeze_op();
const OpDefinition& transpose_op();
const OpDefinition& concat_op();
const OpDefinition& split_op();
const OpDefinition& slice_op();
const OpDefinition& pad_op();
const OpDefinition& pad_channels_op();
const OpDefinition& expand_op();
const OpDefinition& tile_op();
const OpDefinition& shape_op();
const OpDefinition& size_op();
const OpDefinition& extents_op();
const OpDefinition& constant_of_shape_op();
const OpDefinition& range_op();
const OpDefinition& eye_like_op();
const OpDefinition& depth_to_space_op();
const OpDefinition& space_to_depth_op();
const OpDefinition& reverse_sequence_op();
const OpDefinition& trilu_op();
const OpDefinition& reorder_op();
const OpDefinition& copy_op();

// Output 0 in that shape, with input 0's bytes.
Status copy_as(backends::KernelRun& run, const Shape& shape);

View transposed_view(const Shape& x, const std::vector<int64_t>& perm);
Result<View> transpose_view(const backends::NodeFacts& node, const Shape& x);

// Places [at, at + size) along one axis.
View part_view(const Shape& x, int64_t axis, int64_t at, int64_t size);
struct SplitSizes {
  int64_t axis = 0;
  std::vector<int64_t> sizes;
};
Result<SplitSizes> split_sizes(const backends::NodeFacts& node, const backends::KernelRun& run);

struct ConcatShape {
  Shape shape;
  int64_t axis = 0;
};
Result<ConcatShape> concat_shape(const backends::NodeFacts& node, const backends::KernelRun& run);

// Steps are not 0; starts and ends as ONNX has them, clamped here.
View sliced_view(const Shape& x, const std::vector<int64_t>& starts,
                 const std::vector<int64_t>& ends, const std::vector<int64_t>& axes,
                 const std::vector<int64_t>& steps);
Result<View> slice_view(const backends::NodeFacts& node, const backends::KernelRun& run);

Result<View> expand_view(const backends::NodeFacts& node, const backends::KernelRun& run);
// The tiled tensor with each axis as two: how often, and the extent.
struct TiledView {
  View view;
  Shape shape;
};
Result<TiledView> tile_view(const backends::NodeFacts& node, const backends::KernelRun& run);

enum class PadMode { kConstant, kReflect, kEdge, kWrap };
struct Padding {
  PadMode mode = PadMode::kConstant;
  std::vector<int64_t> begin;  // one per axis, negative where it crops
  std::vector<int64_t> end;
  Shape shape;  // of the result
};
Result<Padding> padding(const backends::NodeFacts& node, const backends::KernelRun& run);
// The place along an axis of `extent` that place i of the padded axis shows; -1 for the constant.
int64_t padded_source(int64_t i, int64_t extent, int64_t begin, int64_t end, PadMode mode);

Result<TiledView> depth_to_space_view(const backends::NodeFacts& node, const Shape& x);
Result<TiledView> space_to_depth_view(const backends::NodeFacts& node, const Shape& x);

}  // namespace penstock::ops
