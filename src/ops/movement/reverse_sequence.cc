// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

struct Axes {
  int64_t batch = 0;
  int64_t time = 0;
};

Result<Axes> axes_of(const ir::Attributes& attributes, int64_t rank) {
  const Axes axes = {attributes.get_int("batch_axis", 1), attributes.get_int("time_axis", 0)};
  if (rank < 2 || axes.batch + axes.time != 1 || axes.batch * axes.time != 0) {
    return Status(StatusCode::kInvalidModel, "takes rank 2 or more, and axes 0 and 1, not rank " +
                                                 std::to_string(rank) + ", batch_axis " +
                                                 std::to_string(axes.batch) + ", time_axis " +
                                                 std::to_string(axes.time));
  }
  return axes;
}

Status infer(InferContext& c) {
  PENSTOCK_RETURN_IF_ERROR(axes_of(c.attributes(), c.rank(0)).status());
  c.set_output(0, c.dtype(0), c.shape(0));
  return Status::ok();
}

Status reference(const NodeFacts& node, KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const Axes axes,
                            axes_of(node.attributes, static_cast<int64_t>(x.shape->size())));
  const std::vector<int64_t> lengths = read_int64s(run.input(1));
  const int64_t steps = (*x.shape)[axes.time];
  if (static_cast<int64_t>(lengths.size()) != (*x.shape)[axes.batch]) {
    return {StatusCode::kInvalidArgument, std::to_string(lengths.size()) +
                                              " sequence lengths for a batch of " +
                                              std::to_string((*x.shape)[axes.batch])};
  }
  for (int64_t length : lengths) {
    if (length >= 0 && length <= steps) continue;
    return {StatusCode::kInvalidArgument, "sequence length " + std::to_string(length) + " of " +
                                              std::to_string(steps) + " steps"};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::vector<int64_t> strides = strides_of(*x.shape);
    T* to = y.as<T>();
    for_each_index(*x.shape, [&](std::vector<int64_t> index) {
      const int64_t length = lengths[index[axes.batch]];
      int64_t& step = index[axes.time];
      if (step < length) step = length - 1 - step;
      *to++ = x.as<const T>()[dot(index, strides)];
    });
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& reverse_sequence_op() {
  static const OpDefinition kOp = {.name = "ReverseSequence",
                                   .min_inputs = 2,
                                   .max_inputs = 2,
                                   .infer = infer,
                                   .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
