// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/filter.h"
#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/epilogue.h"
#include "ops/reference_util.h"

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
  const Shape& x_shape = *run.input(0).shape;
  const Shape& w_shape = *run.input(1).shape;
  const Shape spatial = spatial_of(x_shape);
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            resolve_window(node.attributes, spatial_of(w_shape), spatial));
  PENSTOCK_ASSIGN_OR_RETURN(const Shape y_spatial, output_extents(window, spatial));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> x, read_doubles(run.input(0)));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> w, read_doubles(run.input(1)));
  std::vector<double> bias(w_shape[0], 0.0);
  if (run.has_input(2)) {
    PENSTOCK_ASSIGN_OR_RETURN(bias, read_doubles(run.input(2)));
  }

  const int64_t channels = w_shape[0];
  const int64_t channels_per_group = channels / node.attributes.get_int("group", 1);
  const int64_t depth = w_shape[1];
  const int64_t x_area = element_count(spatial);
  const int64_t y_area = element_count(y_spatial);
  const int64_t w_area = element_count(window.kernel);
  Shape y_shape = {x_shape[0], channels};
  y_shape.insert(y_shape.end(), y_spatial.begin(), y_spatial.end());
  std::vector<double> y(element_count(y_shape));
  std::vector<Tap> taps;
  int64_t at = 0;
  for_each_index(y_spatial, [&](const std::vector<int64_t>& position) {
    taps_at(window, spatial, position, taps);
    for (int64_t n = 0; n < x_shape[0]; ++n) {
      for (int64_t m = 0; m < channels; ++m) {
        double sum = bias[m];
        for (int64_t c = 0; c < depth; ++c) {
          const int64_t x_channel = m / channels_per_group * depth + c;
          const double* x_plane = &x[(n * x_shape[1] + x_channel) * x_area];
          const double* w_plane = &w[(m * depth + c) * w_area];
          for (const Tap& tap : taps) sum += x_plane[tap.input] * w_plane[tap.kernel];
        }
        y[(n * channels + m) * y_area + at] = sum;
      }
    }
    ++at;
  });
  PENSTOCK_RETURN_IF_ERROR(apply_epilogue(node, run, y_shape, y));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView output, run.output(0, y_shape));
  return write_doubles(y, output);
}

}  // namespace

const OpDefinition kConv = {
    .name = "Conv", .min_inputs = 2, .max_inputs = -1, .infer = infer_conv, .reference = run_conv};

}  // namespace penstock::ops
