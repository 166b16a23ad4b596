// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::SymbolicShape;

// The attribute, or the axes reversed; an error where it is no permutation of them.
Result<std::vector<int64_t>> permutation(const ir::Attributes& attributes, int64_t rank) {
  if (!attributes.has("perm")) {
    std::vector<int64_t> perm(static_cast<size_t>(rank));
    std::iota(perm.rbegin(), perm.rend(), 0);
    return perm;
  }
  const std::vector<int64_t> perm = attributes.get_ints("perm");
  if (static_cast<int64_t>(perm.size()) != rank) {
    return Status(
        StatusCode::kInvalidModel,
        "perm " + to_string(perm) + " does not fit a tensor of rank " + std::to_string(rank));
  }
  return normalize_axes(perm, rank);
}

Status infer_transpose(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> perm,
                            permutation(c.attributes(), c.rank(0)));
  SymbolicShape shape;
  for (int64_t axis : perm) shape.push_back(c.shape(0)[axis]);
  if (const auto known = constants_of(c.shape(0))) {
    view_contents(c, 0, 0, transposed_view(*known, perm));
  }
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_transpose(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const View view, transpose_view(node, *run.input(0).shape));
  return run_view(run, 0, view);
}

}  // namespace

View transposed_view(const Shape& x, const std::vector<int64_t>& perm) {
  const std::vector<int64_t> strides = strides_of(x);
  View view;
  for (int64_t axis : perm) {
    view.shape.push_back(x[axis]);
    view.strides.push_back(strides[axis]);
  }
  return view;
}

Result<View> transpose_view(const NodeFacts& node, const Shape& x) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> perm,
                            permutation(node.attributes, static_cast<int64_t>(x.size())));
  return transposed_view(x, perm);
}

const OpDefinition& transpose_op() {
  static const OpDefinition kOp = {.name = "Transpose",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_transpose,
                                   .reference = run_transpose};
  return kOp;
}

}  // namespace penstock::ops
