// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"
#include "ops/vision/vision.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// theta [N, d, d + 1] and the size [N, C, spatial...] of the image to be made: where each of its
// pixels comes from, [N, spatial..., d].
Status infer_affine_grid(InferContext& c) {
  if (!is_floating(c.dtype(0)) || c.rank(0) != 3) {
    return c.error("theta must be floating with rank 3, not " + ir::to_string(c.shape(0)));
  }
  std::optional<std::vector<ir::Dim>> size = c.dims_parameter("size", 1);
  if (!size) {
    if (!c.has_input(1) || c.rank(1) != 1 || !c.shape(1)[0].is_constant()) {
      return c.error("the length of size must be known when the model is built");
    }
    size = fresh_shape(c, c.shape(1)[0].constant());
  }
  if (size->size() != 4 && size->size() != 5) {
    return c.error("size must have 4 or 5 elements, not " + std::to_string(size->size()));
  }
  ir::SymbolicShape shape = {c.shape(0)[0]};
  shape.insert(shape.end(), size->begin() + 2, size->end());
  shape.emplace_back(static_cast<int64_t>(size->size()) - 2);
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

// From -1 to 1: the centres of the outer pixels, or with align_corners = 0 their outer edges.
double coordinate(int64_t index, int64_t extent, bool align_corners) {
  if (align_corners) {
    return extent == 1 ? 0.0
                       : -1.0 + 2.0 * static_cast<double>(index) / static_cast<double>(extent - 1);
  }
  return (2.0 * static_cast<double>(index) + 1.0) / static_cast<double>(extent) - 1.0;
}

Status reference_affine_grid(const NodeFacts& node, KernelRun& run) {
  const Shape& theta_shape = *run.input(0).shape;
  const Shape size = ints_parameter(node, run, "size", 1);
  const auto axes = static_cast<int64_t>(size.size()) - 2;
  bool fits = axes >= 2 && theta_shape == Shape{size[0], axes, axes + 1};
  for (int64_t extent : size) fits = fits && extent >= 0;
  if (!fits) {
    return {StatusCode::kInvalidArgument, "AffineGrid: theta of shape " + to_string(theta_shape) +
                                              " does not fit a size of " + to_string(size)};
  }
  const bool align_corners = node.attributes.get_int("align_corners") != 0;
  const std::vector<double> theta = read_reals(run.input(0));
  Shape pixels = {size[0]};
  pixels.insert(pixels.end(), size.begin() + 2, size.end());
  Shape shape = pixels;
  shape.push_back(axes);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, shape));
  std::vector<double> y;
  y.reserve(static_cast<size_t>(element_count(shape)));
  for_each_index(pixels, [&](const std::vector<int64_t>& at) {
    for (int64_t row = 0; row < axes; ++row) {
      const double* line = &theta[(at[0] * axes + row) * (axes + 1)];
      double sum = line[axes];
      // The first column is for the last axis: x comes before y.
      for (int64_t i = 0; i < axes; ++i) {
        sum += line[i] * coordinate(at[axes - i], pixels[axes - i], align_corners);
      }
      y.push_back(sum);
    }
  });
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kAffineGrid = {.name = "AffineGrid",
                                  .min_inputs = 1,
                                  .max_inputs = 2,
                                  .infer = infer_affine_grid,
                                  .reference = reference_affine_grid,
                                  .parameters = {{1, "size"}}};

}  // namespace penstock::ops
