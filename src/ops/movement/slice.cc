// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

// Exporters write "to the end" as INT32_MAX or INT64_MAX, and "to the beginning" as their
// opposites.
constexpr int64_t kHuge = (int64_t{1} << 31) - 1;

bool is_end(const Dim& d) { return d.is_constant() && d.constant() >= kHuge; }
bool is_beginning(const Dim& d) { return d.is_constant() && d.constant() <= -kHuge; }

// A place counted from the end where it is negative; nothing where its sign is not known.
std::optional<Dim> from_front(const Dim& place, const Dim& extent) {
  if (place.is_provably_non_negative()) return place;
  if ((Dim(0) - place).is_provably_positive()) return extent + place;
  return std::nullopt;
}

Dim non_negative(const Dim& d) { return Dim::max(d, Dim(0)); }

// Length of start:end:step along an axis, or nothing where signs are not known. Bounds are clamped
// only where that can matter to the length.
std::optional<Dim> forward_length(const Dim& extent, const Dim& start, const Dim& end, Dim step) {
  if (is_end(start)) return Dim(0);
  const Dim from_end = Dim(0) - start;
  if (is_end(end) && !is_beginning(start) && from_end.is_provably_positive()) {
    return Dim::ceil_div(Dim::min(from_end, extent), step);  // the last so many
  }
  const std::optional<Dim> first = is_beginning(start) ? Dim(0) : from_front(start, extent);
  const std::optional<Dim> last = is_end(end)         ? extent
                                  : is_beginning(end) ? Dim(0)
                                                      : from_front(end, extent);
  if (!first || !last) return std::nullopt;
  const Dim begin = start.is_provably_non_negative() ? *first : non_negative(*first);
  return Dim::ceil_div(non_negative(Dim::min(*last - begin, extent - begin)), step);
}

std::optional<Dim> backward_length(const Dim& extent, const Dim& start, const Dim& end,
                                   Dim negative_step) {
  const Dim top = extent - Dim(1);
  const std::optional<Dim> first = is_end(start)         ? top
                                   : is_beginning(start) ? Dim(-1)
                                                         : from_front(start, extent);
  const std::optional<Dim> last = is_beginning(end) ? Dim(-1)
                                  : is_end(end)     ? extent
                                                    : from_front(end, extent);
  if (!first || !last) return std::nullopt;
  const Dim stop = end.is_provably_non_negative() ? *last : Dim::max(*last, Dim(-1));
  return Dim::ceil_div(non_negative(Dim::min(*first - stop, top - stop)), negative_step);
}

std::vector<int64_t> default_axes(size_t count) {
  std::vector<int64_t> axes(count);
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

// How many axes the node cuts, from whichever parameter tells.
std::optional<size_t> cut_count(const InferContext& c) {
  if (c.attributes().has("starts")) return c.attributes().get_dims("starts").size();
  if (!c.has_input(1) || c.rank(1) != 1 || !c.shape(1)[0].is_constant()) return std::nullopt;
  return static_cast<size_t>(c.shape(1)[0].constant());
}

void slice_contents(InferContext& c, const std::vector<int64_t>& axes) {
  const auto x = constants_of(c.shape(0));
  const auto starts = known_ints(c, "starts", 1);
  const auto ends = known_ints(c, "ends", 2);
  if (c.contents(0) == nullptr || !x || !starts || !ends) return;
  std::vector<int64_t> steps(axes.size(), 1);
  if (has_parameter(c, "steps", 4)) steps = *known_ints(c, "steps", 4);
  view_contents(c, 0, 0, sliced_view(*x, *starts, *ends, axes, steps));
}

Status infer_slice(InferContext& c) {
  const std::optional<size_t> count = cut_count(c);
  std::optional<std::vector<int64_t>> axes;
  if (has_parameter(c, "axes", 3)) {
    axes = known_ints(c, "axes", 3);
  } else if (count) {
    axes = default_axes(*count);
  }
  if (!axes) {  // any axis may be cut
    c.set_output(0, c.dtype(0), fresh_shape(c, c.rank(0)));
    return Status::ok();
  }
  PENSTOCK_ASSIGN_OR_RETURN(axes, normalize_axes(*axes, c.rank(0)));
  const auto starts = c.dims_parameter("starts", 1);
  const auto ends = c.dims_parameter("ends", 2);
  std::optional<std::vector<int64_t>> steps(std::vector<int64_t>(axes->size(), 1));
  if (has_parameter(c, "steps", 4)) steps = known_ints(c, "steps", 4);
  if ((starts && starts->size() != axes->size()) || (ends && ends->size() != axes->size()) ||
      (steps && steps->size() != axes->size())) {
    return c.error("starts, ends, axes and steps differ in length");
  }
  SymbolicShape shape = c.shape(0);
  for (size_t i = 0; i < axes->size(); ++i) {
    Dim& extent = shape[(*axes)[i]];
    std::optional<Dim> length;
    if (steps && (*steps)[i] == 0) return c.error("a step of 0");
    if (starts && ends && steps) {
      const int64_t step = std::clamp((*steps)[i], -kHuge, kHuge);
      length = step > 0 ? forward_length(extent, (*starts)[i], (*ends)[i], step)
                        : backward_length(extent, (*starts)[i], (*ends)[i], -step);
    }
    extent = length ? *length : c.fresh_symbol();
  }
  if (steps) slice_contents(c, *axes);
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_slice(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const View view, slice_view(node, run));
  return run_view(run, 0, view);
}

}  // namespace

View sliced_view(const Shape& x, const std::vector<int64_t>& starts,
                 const std::vector<int64_t>& ends, const std::vector<int64_t>& axes,
                 const std::vector<int64_t>& steps) {
  View view{x, 0, strides_of(x)};
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t axis = axes[i];
    const int64_t extent = x[axis];
    // Beyond the tensor one place is like another, and sums of clamped places do not overflow.
    const int64_t step = std::clamp(steps[i], -extent - 1, extent + 1);
    int64_t start = std::clamp(starts[i], -extent - 1, extent);
    int64_t end = std::clamp(ends[i], -extent - 1, extent);
    if (starts[i] < 0) start += extent;
    if (ends[i] < 0) end += extent;
    int64_t count = 0;
    if (step > 0) {
      start = std::clamp<int64_t>(start, 0, extent);
      end = std::clamp<int64_t>(end, 0, extent);
      count = (end - start + step - 1) / step;
    } else {
      start = std::clamp<int64_t>(start, -1, extent - 1);
      end = std::clamp<int64_t>(end, -1, extent - 1);
      count = (start - end - step - 1) / -step;
    }
    view.shape[axis] = std::max<int64_t>(count, 0);
    if (view.shape[axis] > 0) view.offset += start * view.strides[axis];
    view.strides[axis] *= step;
  }
  return view;
}

Result<View> slice_view(const NodeFacts& node, const KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const std::vector<int64_t> starts = ints_parameter(node, run, "starts", 1);
  const std::vector<int64_t> ends = ints_parameter(node, run, "ends", 2);
  std::vector<int64_t> axes = ints_parameter(node, run, "axes", 3);
  std::vector<int64_t> steps = ints_parameter(node, run, "steps", 4);
  if (axes.empty()) axes = default_axes(starts.size());
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    return Status(StatusCode::kInvalidArgument, "starts, ends, axes and steps differ in length");
  }
  if (std::find(steps.begin(), steps.end(), 0) != steps.end()) {
    return Status(StatusCode::kInvalidArgument, "a step of 0");
  }
  PENSTOCK_ASSIGN_OR_RETURN(axes, normalize_axes(axes, static_cast<int64_t>(x.size())));
  return sliced_view(x, starts, ends, axes, steps);
}

const OpDefinition& slice_op() {
  static const OpDefinition kOp = {
      .name = "Slice",
      .min_inputs = 1,
      .max_inputs = 5,
      .infer = infer_slice,
      .reference = run_slice,
      .parameters = {{1, "starts"}, {2, "ends"}, {3, "axes"}, {4, "steps"}}};
  return kOp;
}

}  // namespace penstock::ops
