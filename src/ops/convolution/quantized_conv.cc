// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/convolve.h"
#include "ops/convolution/filter.h"
#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/quantized_product.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// x [N, C, spatial...], w [M, C / group, kernel...], bias [M], scale [] or [M]
// -> [N, M, spatial...]: epilogue(scale * sum((x - x_zero_point) * w) + bias). Padding is
// x_zero_point: it adds nothing.
Status infer_quantized_conv(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(Shape kernel, kernel_extents(context));
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& w = context.shape(1);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t group, check_group(context, w[0]));
  PENSTOCK_RETURN_IF_ERROR(check_equal(x[1], w[1] * ir::Dim(group), "channels of x and w"));
  if (context.dtype(1) == DataType::kUInt8 || context.attributes().get_int("w_zero_point") != 0) {
    return context.error("takes weights of type int8 or float8e4m3fn without a zero point");
  }
  if (context.has_input(kProductBias)) {
    if (context.rank(kProductBias) != 1) return context.error("the bias must have one axis");
    PENSTOCK_RETURN_IF_ERROR(
        check_equal(context.shape(kProductBias)[0], w[0], "length of the bias"));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            parse_window(context.attributes(), std::move(kernel)));
  PENSTOCK_ASSIGN_OR_RETURN(const ir::SymbolicShape spatial, output_extents(window, spatial_of(x)));
  ir::SymbolicShape y = {x[0], w[0]};
  y.insert(y.end(), spatial.begin(), spatial.end());
  PENSTOCK_RETURN_IF_ERROR(check_product(context, y, 1));
  context.set_output(0, product_result(context.attributes()).dtype, std::move(y));
  return Status::ok();
}

Status run_quantized_conv(const NodeFacts& node, KernelRun& run) {
  const std::vector<double> x =
      centered_numbers(run.input(0), node.attributes.get_int("x_zero_point"));
  const std::vector<double> w = centered_numbers(run.input(1), 0);
  PENSTOCK_ASSIGN_OR_RETURN(
      Convolved sums, convolve(node.attributes, *run.input(0).shape, x, *run.input(1).shape, w));
  return finish_product(node, run, sums.shape, 1, sums.values);
}

}  // namespace

const OpDefinition kQuantizedConv = {.name = "QuantizedConv",
                                     .min_inputs = 2,  // and the scale, behind an optional one
                                     .max_inputs = -1,
                                     .infer = infer_quantized_conv,
                                     .reference = run_quantized_conv};

}  // namespace penstock::ops
