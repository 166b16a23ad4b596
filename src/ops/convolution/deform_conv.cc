// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/convolution/filter.h"
#include "ops/convolution/operators.h"
#include "ops/convolution/window.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// X [N, C, spatial...], W [M, C / group, kernel...], offset [N, offset groups * kernel elements *
// axes, out...], bias [M], mask [N, offset groups * kernel elements, out...].
Status infer_deform_conv(InferContext& c) {
  const int64_t rank = c.rank(0);
  const bool fits = rank >= 3 && c.rank(1) == rank && c.rank(2) == rank &&
                    (!c.has_input(3) || c.rank(3) == 1) && (!c.has_input(4) || c.rank(4) == rank);
  if (!fits) return c.error("X, W, offset and mask must be of one rank, 3 or more");
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (c.has_input(i) && (c.dtype(i) != c.dtype(0) || !is_floating(c.dtype(i)))) {
      return c.error("its inputs must be of one floating type");
    }
  }
  ir::SymbolicShape shape = c.shape(2);
  shape[0] = c.shape(0)[0];
  shape[1] = c.shape(1)[0];
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

struct Problem {
  Shape x, w, out;  // out: spatial extents
  Window window;
  int64_t group = 1, offset_group = 1;
  int64_t taps = 1, area = 1, out_area = 1;
  size_t axes() const { return window.rank(); }
};

Result<Problem> problem_of(const NodeFacts& node, const KernelRun& run) {
  Problem p;
  p.x = *run.input(0).shape;
  p.w = *run.input(1).shape;
  const Shape& offset = *run.input(2).shape;
  const Shape kernel = spatial_of(p.w);
  p.group = node.attributes.get_int("group", 1);
  p.offset_group = node.attributes.get_int("offset_group", 1);
  PENSTOCK_ASSIGN_OR_RETURN(p.window, resolve_window(node.attributes, kernel, spatial_of(p.x)));
  PENSTOCK_ASSIGN_OR_RETURN(p.out, output_extents(p.window, spatial_of(p.x)));
  p.taps = element_count(kernel);
  p.area = element_count(spatial_of(p.x));
  p.out_area = element_count(p.out);
  // No more groups than channels: what is computed from them stays small.
  const int64_t most = std::max<int64_t>(p.x[1], 1);
  bool fits = p.group > 0 && p.group <= most && p.offset_group > 0 && p.offset_group <= most;
  if (fits) {
    Shape expected = {p.x[0], p.offset_group * p.taps * static_cast<int64_t>(p.axes())};
    expected.insert(expected.end(), p.out.begin(), p.out.end());
    fits = p.w[0] % p.group == 0 && p.x[1] == p.w[1] * p.group && p.x[1] % p.offset_group == 0 &&
           offset == expected;
    expected[1] = p.offset_group * p.taps;
    if (run.has_input(3)) fits = fits && *run.input(3).shape == Shape{p.w[0]};
    if (run.has_input(4)) fits = fits && *run.input(4).shape == expected;
  }
  if (fits) return p;
  return Status(StatusCode::kInvalidArgument,
                "DeformConv: X " + to_string(p.x) + ", W " + to_string(p.w) + " and offset " +
                    to_string(offset) + " do not fit each other, the groups and the result's " +
                    to_string(p.out));
}

// The value at `at`, linear between elements and 0 outside.
double sample(const double* plane, const Shape& spatial, const std::vector<double>& at) {
  const size_t axes = spatial.size();
  double sum = 0.0;
  for (size_t corner = 0; corner < (size_t{1} << axes); ++corner) {
    double weight = 1.0;
    int64_t place = 0;
    bool inside = true;
    for (size_t i = 0; i < axes && inside; ++i) {
      const double base = std::floor(at[i]);
      const bool upper = (corner >> i & 1) != 0;
      const double index = base + (upper ? 1.0 : 0.0);
      weight *= upper ? at[i] - base : 1.0 - (at[i] - base);
      inside = index >= 0.0 && index < static_cast<double>(spatial[i]);
      if (inside) place = place * spatial[i] + static_cast<int64_t>(index);
    }
    if (inside && weight != 0.0) sum += weight * plane[place];
  }
  return sum;
}

// What the filter meets at one output: [C, taps].
void gather(const Problem& p, const std::vector<double>& x, const std::vector<double>& offset,
            const std::vector<double>& mask, int64_t n, const std::vector<int64_t>& position,
            std::vector<double>& columns) {
  const Shape spatial = spatial_of(p.x);
  const int64_t place = dot(position, strides_of(p.out));
  const auto axes = static_cast<int64_t>(p.axes());
  const int64_t per_group = p.x[1] / p.offset_group;
  std::vector<double> at(p.axes());
  for (int64_t g = 0; g < p.offset_group; ++g) {
    int64_t tap = 0;
    for_each_index(p.window.kernel, [&](const std::vector<int64_t>& k) {
      const int64_t row = (n * p.offset_group + g) * p.taps + tap;
      for (size_t i = 0; i < p.axes(); ++i) {
        at[i] = static_cast<double>(position[i] * p.window.strides[i] - p.window.pads_begin[i] +
                                    k[i] * p.window.dilations[i]) +
                offset[(row * axes + static_cast<int64_t>(i)) * p.out_area + place];
      }
      const double weight = mask.empty() ? 1.0 : mask[row * p.out_area + place];
      for (int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        columns[c * p.taps + tap] =
            weight * sample(x.data() + (n * p.x[1] + c) * p.area, spatial, at);
      }
      ++tap;
    });
  }
}

Status reference_deform_conv(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const Problem p, problem_of(node, run));
  const std::vector<double> x = read_reals(run.input(0));
  const std::vector<double> w = read_reals(run.input(1));
  const std::vector<double> offset = read_reals(run.input(2));
  std::vector<double> bias(static_cast<size_t>(p.w[0]), 0.0);
  if (run.has_input(3)) bias = read_reals(run.input(3));
  std::vector<double> mask;
  if (run.has_input(4)) mask = read_reals(run.input(4));
  std::vector<double> y(static_cast<size_t>(p.x[0] * p.w[0] * p.out_area));
  std::vector<double> columns(static_cast<size_t>(p.x[1] * p.taps));
  const int64_t length = p.w[1] * p.taps;
  const int64_t per_group = p.w[0] / p.group;
  for (int64_t n = 0; n < p.x[0]; ++n) {
    for_each_index(p.out, [&](const std::vector<int64_t>& position) {
      gather(p, x, offset, mask, n, position, columns);
      const int64_t place = dot(position, strides_of(p.out));
      for (int64_t m = 0; m < p.w[0]; ++m) {
        double sum = bias[m];
        const double* column = columns.data() + m / per_group * length;
        for (int64_t i = 0; i < length; ++i) sum += w[m * length + i] * column[i];
        y[(n * p.w[0] + m) * p.out_area + place] = sum;
      }
    });
  }
  Shape shape = {p.x[0], p.w[0]};
  shape.insert(shape.end(), p.out.begin(), p.out.end());
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView out, run.output(0, shape));
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kDeformConv = {.name = "DeformConv",
                                  .min_inputs = 3,
                                  .max_inputs = 5,
                                  .infer = infer_deform_conv,
                                  .reference = reference_deform_conv};

}  // namespace penstock::ops
