// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// Columns [N, C * block elements, blocks] to images [N, C, spatial...]: where blocks overlap, they
// are added.
Status infer_col2im(InferContext& c) {
  if (c.rank(0) != 3) return c.error("takes columns of rank 3, not " + ir::to_string(c.shape(0)));
  const auto image = c.dims_parameter("image_shape", 1);
  const auto block = c.dims_parameter("block_shape", 2);
  if (!image && !(c.has_input(1) && c.rank(1) == 1 && c.shape(1)[0].is_constant())) {
    return c.error("the number of spatial axes must be known when the model is built");
  }
  const ir::SymbolicShape spatial = image ? *image : fresh_shape(c, c.shape(1)[0].constant());
  ir::SymbolicShape shape = {c.shape(0)[0], c.fresh_symbol()};
  if (block) {
    if (block->size() != spatial.size())
      return c.error("image_shape and block_shape differ in length");
    const ir::Dim elements = ir::element_count(*block);
    if (elements.is_constant(0)) return c.error("an empty block");
    shape[1] = ir::Dim::floor_div(c.shape(0)[1], elements);
  }
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

bool are_positive(const Shape& shape) {
  constexpr int64_t kMost = int64_t{1} << 31;
  for (int64_t extent : shape) {
    if (extent < 1 || extent > kMost) return false;
  }
  return !shape.empty();
}

Status reference_col2im(const NodeFacts& node, KernelRun& run) {
  const Shape& x_shape = *run.input(0).shape;
  const Shape image = ints_parameter(node, run, "image_shape", 1);
  const Shape block = ints_parameter(node, run, "block_shape", 2);
  if (!are_positive(image) || !are_positive(block) || image.size() != block.size()) {
    return {StatusCode::kInvalidArgument, "Col2Im: no image of " + to_string(image) +
                                              " is made of blocks of " + to_string(block)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Window window, resolve_window(node.attributes, block, image));
  PENSTOCK_ASSIGN_OR_RETURN(const Shape blocks, output_extents(window, image));
  const int64_t taps_count = element_count(block);
  const int64_t places = element_count(blocks);
  const int64_t area = element_count(image);
  if (x_shape[1] % taps_count != 0 || x_shape[2] != places) {
    return {StatusCode::kInvalidArgument, "Col2Im: columns of shape " + to_string(x_shape) +
                                              " do not hold " + to_string(blocks) + " blocks of " +
                                              to_string(block)};
  }
  const int64_t planes = x_shape[0] * (x_shape[1] / taps_count);
  Shape shape = {x_shape[0], x_shape[1] / taps_count};
  shape.insert(shape.end(), image.begin(), image.end());
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, shape));
  const std::vector<double> x = read_reals(run.input(0));
  std::vector<double> y(static_cast<size_t>(planes * area), 0.0);
  std::vector<Tap> taps;
  int64_t place = 0;
  for_each_index(blocks, [&](const std::vector<int64_t>& position) {
    taps.clear();
    taps_at(window, image, position, taps);
    for (int64_t plane = 0; plane < planes; ++plane) {
      for (const Tap& tap : taps) {
        y[plane * area + tap.input] += x[(plane * taps_count + tap.kernel) * places + place];
      }
    }
    ++place;
  });
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kCol2Im = {.name = "Col2Im",
                              .min_inputs = 1,
                              .max_inputs = 3,
                              .infer = infer_col2im,
                              .reference = reference_col2im,
                              .parameters = {{1, "image_shape"}, {2, "block_shape"}}};

}  // namespace penstock::ops
