// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <string>

#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::SymbolicShape;

Result<PadMode> mode_of(const ir::Attributes& attributes) {
  const std::string mode = attributes.get_string("mode", "constant");
  if (mode == "constant") return PadMode::kConstant;
  if (mode == "reflect") return PadMode::kReflect;
  if (mode == "edge") return PadMode::kEdge;
  if (mode == "wrap") return PadMode::kWrap;
  return Status(StatusCode::kUnsupported,
                "mode '" + mode + "'; there are constant, reflect, edge and wrap");
}

Status infer_pad(InferContext& c) {
  PENSTOCK_RETURN_IF_ERROR(mode_of(c.attributes()).status());
  if (c.has_input(2) && c.dtype(2) != c.dtype(0)) {
    return c.error("the value is " + std::string(to_string(c.dtype(2))) + ", what it pads is " +
                   std::string(to_string(c.dtype(0))));
  }
  std::vector<int64_t> axes(static_cast<size_t>(c.rank(0)));
  std::iota(axes.begin(), axes.end(), 0);
  if (has_parameter(c, "axes", 3)) {
    const auto known = known_ints(c, "axes", 3);
    if (!known) {
      c.set_output(0, c.dtype(0), fresh_shape(c, c.rank(0)));
      return Status::ok();
    }
    PENSTOCK_ASSIGN_OR_RETURN(axes, normalize_axes(*known, c.rank(0)));
  }
  const auto pads = c.dims_parameter("pads", 1);
  if (pads && pads->size() != 2 * axes.size()) {
    return c.error(std::to_string(pads->size()) + " pads for " + std::to_string(axes.size()) +
                   " axes");
  }
  SymbolicShape shape = c.shape(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    ir::Dim& extent = shape[axes[i]];
    extent = pads ? extent + (*pads)[i] + (*pads)[i + axes.size()] : c.fresh_symbol();
    if (extent.is_constant() && extent.constant() < 0) {
      return c.error("pads crop more than " + ir::to_string(c.shape(0)) + " has");
    }
  }
  c.set_output(0, c.dtype(0), std::move(shape));
  return Status::ok();
}

Status run_pad(const NodeFacts& node, KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const Padding pad, padding(node, run));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, pad.shape));
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T value = run.has_input(2) ? *run.input(2).as<const T>() : T{};
    T* to = y.as<T>();
    const std::vector<int64_t> strides = strides_of(*x.shape);
    for_each_index(pad.shape, [&](const std::vector<int64_t>& index) {
      int64_t from = 0;
      bool inside = true;
      for (size_t d = 0; d < index.size(); ++d) {
        const int64_t place =
            padded_source(index[d], (*x.shape)[d], pad.begin[d], pad.end[d], pad.mode);
        inside = inside && place >= 0;
        from += place * strides[d];
      }
      *to++ = inside ? x.as<const T>()[from] : value;
    });
    return Status::ok();
  });
}

}  // namespace

int64_t padded_source(int64_t i, int64_t extent, int64_t begin, int64_t end, PadMode mode) {
  // Negative pads crop before positive ones of the other side repeat what is left.
  const int64_t first = std::max<int64_t>(0, -begin);
  const int64_t count = extent - first - std::max<int64_t>(0, -end);
  const int64_t place = i - std::max<int64_t>(0, begin);
  if (place >= 0 && place < count) return first + place;
  switch (mode) {
    case PadMode::kConstant: return -1;
    case PadMode::kEdge: return first + std::clamp<int64_t>(place, 0, count - 1);
    case PadMode::kWrap: return first + ((place % count) + count) % count;
    case PadMode::kReflect: break;
  }
  if (count == 1) return first;
  const int64_t period = 2 * (count - 1);
  const int64_t folded = ((place % period) + period) % period;
  return first + std::min(folded, period - folded);
}

Result<Padding> padding(const NodeFacts& node, const KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  Padding pad;
  PENSTOCK_ASSIGN_OR_RETURN(pad.mode, mode_of(node.attributes));
  if (run.has_input(2) && run.input(2).count() != 1) {
    return Status(StatusCode::kInvalidArgument, "the value to pad with must be one, not of shape " +
                                                    to_string(*run.input(2).shape));
  }
  const std::vector<int64_t> pads = ints_parameter(node, run, "pads", 1);
  std::vector<int64_t> axes(x.size());
  std::iota(axes.begin(), axes.end(), 0);
  if (node.attributes.has("axes") || run.has_input(3)) {
    PENSTOCK_ASSIGN_OR_RETURN(
        axes, normalize_axes(ints_parameter(node, run, "axes", 3), static_cast<int64_t>(x.size())));
  }
  if (pads.size() != 2 * axes.size()) {
    return Status(StatusCode::kInvalidArgument, std::to_string(pads.size()) + " pads for " +
                                                    std::to_string(axes.size()) + " axes");
  }
  constexpr int64_t kMost = int64_t{1} << 40;  // far from overflow
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < -kMost || p > kMost; })) {
    return Status(StatusCode::kInvalidArgument, "pads " + to_string(pads) + " are out of range");
  }
  pad.begin.assign(x.size(), 0);
  pad.end.assign(x.size(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    pad.begin[axes[i]] = pads[i];
    pad.end[axes[i]] = pads[i + axes.size()];
  }
  for (size_t d = 0; d < x.size(); ++d) {
    const int64_t kept =
        x[d] - std::max<int64_t>(0, -pad.begin[d]) - std::max<int64_t>(0, -pad.end[d]);
    pad.shape.push_back(x[d] + pad.begin[d] + pad.end[d]);
    const bool grows = pad.begin[d] > 0 || pad.end[d] > 0;
    if (kept < 0 || (kept == 0 && grows && pad.mode != PadMode::kConstant)) {
      return Status(StatusCode::kInvalidArgument, "pads " + to_string(pads) +
                                                      " leave nothing of axis " +
                                                      std::to_string(d) + " of " + to_string(x));
    }
  }
  return pad;
}

const OpDefinition& pad_op() {
  static const OpDefinition kOp = {.name = "Pad",
                                   .min_inputs = 1,
                                   .max_inputs = 4,
                                   .infer = infer_pad,
                                   .reference = run_pad,
                                   .parameters = {{1, "pads"}, {3, "axes"}}};
  return kOp;
}

}  // namespace penstock::ops
