// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/epilogue.h"
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

Status infer(InferContext& c) {
  const int64_t channels = c.attributes().get_int("channels");
  ir::SymbolicShape shape = c.shape(0);
  const bool fits = shape.size() >= 2 && is_floating(c.dtype(0)) &&
                    (!shape[1].is_constant() || shape[1].constant() <= channels);
  if (!fits) {
    return c.error(ir::to_string(shape) + " padded to " + std::to_string(channels) + " channels");
  }
  shape[1] = ir::Dim(channels);
  c.set_output(0, static_cast<DataType>(c.attributes().get_int("to")), std::move(shape));
  return Status::ok();
}

Status reference(const backends::NodeFacts& node, backends::KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  Shape shape = *x.shape;
  const int64_t channels = shape[1];
  shape[1] = node.attributes.get_int("channels");
  if (channels > shape[1]) {
    return {StatusCode::kInvalidArgument, "more channels than " + std::to_string(shape[1])};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> values, read_doubles(x));
  std::vector<double> padded(static_cast<size_t>(element_count(shape)));
  const int64_t pixels = element_count(Shape(shape.begin() + 2, shape.end()));
  for (int64_t n = 0; n < shape[0]; ++n) {
    std::copy_n(values.begin() + n * channels * pixels, channels * pixels,
                padded.begin() + n * shape[1] * pixels);
  }
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  return write_doubles(padded, y);
}

}  // namespace

const OpDefinition& pad_channels_op() {
  static const OpDefinition kOp = {.name = "PadChannels",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer,
                                   .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
