// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/convolution/convolve.h"
#include "ops/convolution/filter.h"
#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/epilogue.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// x [N, C, spatial...], w [M, C / group, kernel...], bias [M] -> [N, M, spatial...].
Status infer_conv(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(Shape kernel, check_filter(context));
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& w = context.shape(1);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t group, check_group(context, w[0]));
  PENSTOCK_RETURN_IF_ERROR(check_equal(x[1], w[1] * ir::Dim(group), "channels of x and w"));
  if (context.has_input(2)) {
    PENSTOCK_RETURN_IF_ERROR(check_equal(context.shape(2)[0], w[0], "length of the bias"));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            parse_window(context.attributes(), std::move(kernel)));
  PENSTOCK_ASSIGN_OR_RETURN(const ir::SymbolicShape spatial, output_extents(window, spatial_of(x)));
  ir::SymbolicShape y = {x[0], w[0]};
  y.insert(y.end(), spatial.begin(), spatial.end());
  PENSTOCK_RETURN_IF_ERROR(check_epilogue(context, 3, y));
  context.set_output(0, context.dtype(0), std::move(y));
  return Status::ok();
}

Status run_conv(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> x, read_doubles(run.input(0)));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> w, read_doubles(run.input(1)));
  PENSTOCK_ASSIGN_OR_RETURN(
      Convolved sums, convolve(node.attributes, *run.input(0).shape, x, *run.input(1).shape, w));
  if (run.has_input(2)) {
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> bias, read_doubles(run.input(2)));
    const auto area = static_cast<int64_t>(sums.values.size()) /
                      std::max<int64_t>(1, sums.shape[0] * sums.shape[1]);
    for (size_t i = 0; i < sums.values.size(); ++i) {
      sums.values[i] += bias[static_cast<int64_t>(i) / area % sums.shape[1]];
    }
  }
  PENSTOCK_RETURN_IF_ERROR(apply_epilogue(node, run, sums.shape, sums.values));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView output, run.output(0, sums.shape));
  return write_doubles(sums.values, output);
}

}  // namespace

const OpDefinition kConv = {
    .name = "Conv", .min_inputs = 2, .max_inputs = -1, .infer = infer_conv, .reference = run_conv};

}  // namespace penstock::ops
