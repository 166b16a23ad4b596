// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/vision/roi_align.h"
#include "ops/vision/vision.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_roi_align(InferContext& context) {
  if (context.rank(0) != 4 || context.rank(1) != 2 || context.rank(2) != 1) {
    return context.error("takes X [N, C, H, W], rois [regions, 4] and batch indices [regions]");
  }
  const std::string mode = context.attributes().get_string("mode", "avg");
  if (mode != "avg" && mode != "max") return context.error("no mode '" + mode + "'");
  if (context.attributes().get_int("output_height", 1) < 1 ||
      context.attributes().get_int("output_width", 1) < 1) {
    return context.error("output_height and output_width must be positive");
  }
  context.set_output(
      0, context.dtype(0),
      {context.shape(1)[0], context.shape(0)[1], context.attributes().get_int("output_height", 1),
       context.attributes().get_int("output_width", 1)});
  return Status::ok();
}

// ONNX's maximum is over the weighted corners, not over the interpolated values.
double pool(const double* plane, int64_t height, int64_t width, const RoiBins& rows, int64_t row,
            const RoiBins& columns, int64_t column, bool largest) {
  double sum = 0.0;
  double most = 0.0;
  bool first = true;
  for (int64_t i = 0; i < rows.samples; ++i) {
    const RoiNeighbours y(rows.point(row, i), height);
    for (int64_t j = 0; j < columns.samples; ++j) {
      const RoiNeighbours x(columns.point(column, j), width);
      const double corners[] = {y.low_weight * x.low_weight * plane[y.low * width + x.low],
                                y.low_weight * x.high_weight * plane[y.low * width + x.high],
                                y.high_weight * x.low_weight * plane[y.high * width + x.low],
                                y.high_weight * x.high_weight * plane[y.high * width + x.high]};
      sum += corners[0] + corners[1] + corners[2] + corners[3];
      const double here = *std::max_element(std::begin(corners), std::end(corners));
      most = first ? here : std::max(most, here);
      first = false;
    }
  }
  const int64_t count = std::max<int64_t>(rows.samples * columns.samples, 1);
  return largest ? most : sum / static_cast<double>(count);
}

Status reference_roi_align(const NodeFacts& node, KernelRun& run) {
  const Shape& shape = *run.input(0).shape;
  const Shape& rois_shape = *run.input(1).shape;
  const std::vector<double> x = read_reals(run.input(0));
  const std::vector<double> rois = read_reals(run.input(1));
  const std::vector<int64_t> items = read_int64s(run.input(2));
  PENSTOCK_RETURN_IF_ERROR(check_roi_shapes(shape, rois_shape, static_cast<int64_t>(items.size())));
  const RoiAlignOptions options(node.attributes);
  const bool largest = node.attributes.get_string("mode", "avg") == "max";
  const Shape out_shape = {rois_shape[0], shape[1], options.rows, options.columns};
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, out_shape));

  std::vector<double> out;
  for (size_t r = 0; r < items.size(); ++r) {
    const double* roi = &rois[r * 4];
    PENSTOCK_RETURN_IF_ERROR(check_region(r, roi, items[r], shape[0]));
    const RoiBins across = options.across(roi[0], roi[2]);
    const RoiBins down = options.down(roi[1], roi[3]);
    for (int64_t c = 0; c < shape[1]; ++c) {
      const double* plane = x.data() + (items[r] * shape[1] + c) * shape[2] * shape[3];
      for_each_index({options.rows, options.columns}, [&](const std::vector<int64_t>& at) {
        out.push_back(pool(plane, shape[2], shape[3], down, at[0], across, at[1], largest));
      });
    }
  }
  return write_reals(out, y);
}

}  // namespace

const OpDefinition kRoiAlign = {.name = "RoiAlign",
                                .min_inputs = 3,
                                .max_inputs = 3,
                                .infer = infer_roi_align,
                                .reference = reference_roi_align};

}  // namespace penstock::ops
