// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/conv_transpose.h"

#include <algorithm>

#include "ops/convolution/filter.h"
#include "ops/convolution/operators.h"
#include "ops/epilogue.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// Padding that brings the result to `wanted` elements; SAME_UPPER puts the odd one at the end.
void split_padding(Window& window, size_t axis, int64_t total) {
  total = std::max<int64_t>(0, total);
  const bool upper = window.auto_pad == Window::AutoPad::kSameUpper;
  window.pads_begin[axis] = upper ? total / 2 : total - total / 2;
  window.pads_end[axis] = total - window.pads_begin[axis];
}

Result<std::vector<int64_t>> output_padding(const ir::Attributes& attributes, size_t rank) {
  std::vector<int64_t> padding = attributes.get_ints("output_padding");
  if (padding.empty()) padding.assign(rank, 0);
  if (padding.size() != rank) {
    return Status(StatusCode::kInvalidModel, "output_padding has " +
                                                 std::to_string(padding.size()) + " numbers, not " +
                                                 std::to_string(rank));
  }
  return padding;
}

// x [N, C, spatial...], w [C, M / group, kernel...], bias [M] -> [N, M, spatial...].
Status infer_conv_transpose(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(Shape kernel, check_filter(context));
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& w = context.shape(1);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t group, check_group(context, w[0]));
  PENSTOCK_RETURN_IF_ERROR(check_equal(x[1], w[0], "channels of x and w"));
  const ir::Dim channels = w[1] * ir::Dim(group);
  if (context.has_input(2)) {
    PENSTOCK_RETURN_IF_ERROR(check_equal(context.shape(2)[0], channels, "length of the bias"));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            parse_window(context.attributes(), std::move(kernel)));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> extra,
                            output_padding(context.attributes(), window.rank()));
  const std::vector<int64_t> wanted = context.attributes().get_ints("output_shape");
  ir::SymbolicShape y = {x[0], channels};
  for (size_t i = 0; i < window.rank(); ++i) {
    const ir::Dim reach =
        (x[2 + i] - ir::Dim(1)) * ir::Dim(window.strides[i]) + ir::Dim(window.span(i) + extra[i]);
    if (wanted.size() >= window.rank()) {
      y.push_back(wanted[wanted.size() - window.rank() + i]);
    } else if (window.is_same()) {
      y.push_back(x[2 + i] * ir::Dim(window.strides[i]));
    } else {
      y.push_back(reach - ir::Dim(window.pads_begin[i] + window.pads_end[i]));
    }
    if (y.back().is_constant() && y.back().constant() < 0) {
      return context.error("the padding is larger than the result");
    }
  }
  context.set_output(0, context.dtype(0), std::move(y));
  return Status::ok();
}

Status run_conv_transpose(const NodeFacts& node, KernelRun& run) {
  const Shape& x_shape = *run.input(0).shape;
  const Shape& w_shape = *run.input(1).shape;
  const Shape spatial = spatial_of(x_shape);
  PENSTOCK_ASSIGN_OR_RETURN(const TransposedWindow geometry,
                            transposed_window(node.attributes, spatial_of(w_shape), spatial));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> x, read_doubles(run.input(0)));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> w, read_doubles(run.input(1)));
  const int64_t group = node.attributes.get_int("group", 1);
  const int64_t width = w_shape[1];  // output channels of one group
  const int64_t channels = width * group;
  std::vector<double> bias(channels, 0.0);
  if (run.has_input(2)) {
    PENSTOCK_ASSIGN_OR_RETURN(bias, read_doubles(run.input(2)));
  }

  const int64_t depth = w_shape[0] / group;
  const int64_t x_area = element_count(spatial);
  const int64_t y_area = element_count(geometry.output);
  const int64_t w_area = element_count(geometry.window.kernel);
  Shape y_shape = {x_shape[0], channels};
  y_shape.insert(y_shape.end(), geometry.output.begin(), geometry.output.end());
  std::vector<double> y(element_count(y_shape));
  std::vector<Tap> taps;
  int64_t at = 0;
  for_each_index(geometry.output, [&](const std::vector<int64_t>& position) {
    transposed_taps_at(geometry.window, spatial, position, taps);
    for (int64_t n = 0; n < x_shape[0]; ++n) {
      for (int64_t m = 0; m < channels; ++m) {
        double sum = bias[m];
        for (int64_t c = 0; c < depth; ++c) {
          const int64_t x_channel = m / width * depth + c;
          const double* x_plane = &x[(n * x_shape[1] + x_channel) * x_area];
          const double* w_plane = &w[(x_channel * width + m % width) * w_area];
          for (const Tap& tap : taps) sum += x_plane[tap.input] * w_plane[tap.kernel];
        }
        y[(n * channels + m) * y_area + at] = sum;
      }
    }
    ++at;
  });
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView output, run.output(0, y_shape));
  return write_doubles(y, output);
}

}  // namespace

Result<TransposedWindow> transposed_window(const ir::Attributes& attributes, Shape kernel,
                                           const Shape& spatial) {
  TransposedWindow result;
  PENSTOCK_ASSIGN_OR_RETURN(result.window, parse_window(attributes, std::move(kernel)));
  Window& window = result.window;
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> extra,
                            output_padding(attributes, window.rank()));
  const std::vector<int64_t> wanted = attributes.get_ints("output_shape");
  for (size_t i = 0; i < window.rank(); ++i) {
    const int64_t reach = (spatial[i] - 1) * window.strides[i] + window.span(i) + extra[i];
    const bool is_wanted = wanted.size() >= window.rank();
    if (is_wanted || window.is_same()) {
      result.output.push_back(is_wanted ? wanted[wanted.size() - window.rank() + i]
                                        : spatial[i] * window.strides[i]);
      split_padding(window, i, reach - result.output[i]);
    } else {
      result.output.push_back(reach - window.pads_begin[i] - window.pads_end[i]);
    }
    if (result.output[i] < 0) {
      return Status(StatusCode::kInvalidArgument, "the padding is larger than the result");
    }
  }
  return result;
}

const OpDefinition kConvTranspose = {.name = "ConvTranspose",
                                     .min_inputs = 2,
                                     .max_inputs = 3,
                                     .infer = infer_conv_transpose,
                                     .reference = run_conv_transpose};

}  // namespace penstock::ops
