// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/convolution/convolve.h"
#include "ops/convolution/filter.h"
#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// The convolution of x - x_zero_point and w - w_zero_point in int32, which wraps around. Padding is
// x_zero_point: it adds nothing.
Status infer_conv_integer(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_byte_operands(context));
  PENSTOCK_ASSIGN_OR_RETURN(Shape kernel, kernel_extents(context));
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& w = context.shape(1);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t group, check_group(context, w[0]));
  PENSTOCK_RETURN_IF_ERROR(check_equal(x[1], w[1] * ir::Dim(group), "channels of x and w"));
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            parse_window(context.attributes(), std::move(kernel)));
  PENSTOCK_ASSIGN_OR_RETURN(const ir::SymbolicShape spatial, output_extents(window, spatial_of(x)));
  ir::SymbolicShape y = {x[0], w[0]};
  y.insert(y.end(), spatial.begin(), spatial.end());
  context.set_output(0, DataType::kInt32, std::move(y));
  return Status::ok();
}

// Elements less their zero point: one for all, or one per index of the first axis where there may
// be `channels` of them.
Result<std::vector<double>> centered(const TensorView& x, const KernelRun& run, size_t input,
                                     int64_t channels) {
  const std::vector<int64_t> elements = read_int64s(x);
  std::vector<double> result(elements.begin(), elements.end());
  if (!run.has_input(input) || result.empty()) return result;
  const std::vector<int64_t> zeros = read_int64s(run.input(input));
  if (zeros.size() != 1 && static_cast<int64_t>(zeros.size()) != channels) {
    return Status(StatusCode::kInvalidArgument,
                  "zero points of shape " + to_string(*run.input(input).shape) +
                      " for a tensor of shape " + to_string(*x.shape));
  }
  const size_t share = std::max<size_t>(result.size() / zeros.size(), 1);
  for (size_t i = 0; i < result.size(); ++i) result[i] -= static_cast<double>(zeros[i / share]);
  return result;
}

// Sums of 32 bits, as the operator has them, wrap; the products of 8 bits below are exact in
// double.
Status run_conv_integer(const NodeFacts& node, KernelRun& run) {
  const Shape& x_shape = *run.input(0).shape;
  const Shape& w_shape = *run.input(1).shape;
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> x, centered(run.input(0), run, 2, 1));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> w,
                            centered(run.input(1), run, 3, w_shape[0]));
  PENSTOCK_ASSIGN_OR_RETURN(const Convolved sums,
                            convolve(node.attributes, x_shape, x, w_shape, w));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, sums.shape));
  for (size_t i = 0; i < sums.values.size(); ++i) {
    y.as<uint32_t>()[i] = static_cast<uint32_t>(static_cast<int64_t>(sums.values[i]));
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kConvInteger = {.name = "ConvInteger",
                                   .min_inputs = 2,
                                   .max_inputs = 4,
                                   .infer = infer_conv_integer,
                                   .reference = run_conv_integer};

}  // namespace penstock::ops
