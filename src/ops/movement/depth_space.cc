// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;

Result<int64_t> block_size(const ir::Attributes& attributes, size_t rank) {
  const int64_t block = attributes.get_int("blocksize");
  constexpr int64_t kMost = 1 << 20;  // its square stays far from overflow
  if (rank != 4 || block < 1 || block > kMost) {
    return Status(StatusCode::kInvalidModel,
                  "takes rank 4 and a blocksize of 1 to " + std::to_string(kMost) + ", not rank " +
                      std::to_string(rank) + " and " + std::to_string(block));
  }
  return block;
}

Status does_not_divide(int64_t block, const std::string& shape) {
  return {StatusCode::kInvalidModel,
          "blocksize " + std::to_string(block) + " does not divide " + shape};
}

// DCR has the block's place outside the smaller depth, CRD inside it.
bool is_block_inside(const ir::Attributes& attributes) {
  return attributes.get_string("mode", "DCR") == "CRD";
}

bool divides(int64_t n, const Dim& d) { return !d.is_constant() || d.constant() % n == 0; }

Status infer_depth_to_space(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t b, block_size(c.attributes(), c.shape(0).size()));
  const ir::SymbolicShape& x = c.shape(0);
  if (!divides(b * b, x[1])) return does_not_divide(b * b, ir::to_string(x));
  c.set_output(0, c.dtype(0), {x[0], Dim::floor_div(x[1], b * b), x[2] * b, x[3] * b});
  return Status::ok();
}

Status infer_space_to_depth(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t b, block_size(c.attributes(), c.shape(0).size()));
  const ir::SymbolicShape& x = c.shape(0);
  if (!divides(b, x[2]) || !divides(b, x[3])) return does_not_divide(b, ir::to_string(x));
  c.set_output(0, c.dtype(0),
               {x[0], x[1] * Dim(b * b), Dim::floor_div(x[2], b), Dim::floor_div(x[3], b)});
  return Status::ok();
}

Status run_depth_to_space(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const TiledView view, depth_to_space_view(node, *run.input(0).shape));
  return run_view(run, 0, view.view, view.shape);
}

Status run_space_to_depth(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const TiledView view, space_to_depth_view(node, *run.input(0).shape));
  return run_view(run, 0, view.view, view.shape);
}

}  // namespace

Result<TiledView> depth_to_space_view(const NodeFacts& node, const Shape& x) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t b, block_size(node.attributes, x.size()));
  if (x[1] % (b * b) != 0) return does_not_divide(b * b, to_string(x));
  const int64_t depth = x[1] / (b * b);
  const bool inside = is_block_inside(node.attributes);
  const Shape parts =
      inside ? Shape{x[0], depth, b, b, x[2], x[3]} : Shape{x[0], b, b, depth, x[2], x[3]};
  const std::vector<int64_t> perm =
      inside ? std::vector<int64_t>{0, 1, 4, 2, 5, 3} : std::vector<int64_t>{0, 3, 4, 1, 5, 2};
  return TiledView{transposed_view(parts, perm), {x[0], depth, x[2] * b, x[3] * b}};
}

Result<TiledView> space_to_depth_view(const NodeFacts& node, const Shape& x) {
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t b, block_size(node.attributes, x.size()));
  if (x[2] % b != 0 || x[3] % b != 0) return does_not_divide(b, to_string(x));
  const Shape parts = {x[0], x[1], x[2] / b, b, x[3] / b, b};
  const std::vector<int64_t> perm = is_block_inside(node.attributes)
                                        ? std::vector<int64_t>{0, 1, 3, 5, 2, 4}
                                        : std::vector<int64_t>{0, 3, 5, 1, 2, 4};
  return TiledView{transposed_view(parts, perm), {x[0], x[1] * b * b, x[2] / b, x[3] / b}};
}

const OpDefinition& depth_to_space_op() {
  static const OpDefinition kOp = {.name = "DepthToSpace",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_depth_to_space,
                                   .reference = run_depth_to_space};
  return kOp;
}

const OpDefinition& space_to_depth_op() {
  static const OpDefinition kOp = {.name = "SpaceToDepth",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_space_to_depth,
                                   .reference = run_space_to_depth};
  return kOp;
}

}  // namespace penstock::ops
