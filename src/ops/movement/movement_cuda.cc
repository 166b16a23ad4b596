// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/movement_cuda.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/cuda_status.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/facts_run.h"
#include "ops/movement/move_tactic.h"
#include "ops/movement/movement.h"
#include "ops/movement/tactics.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;
using ir::Layout;

Status check_size(DataType type) {
  const size_t size = size_of(type);
  if (size == 1 || size == 2 || size == 4 || size == 8) return Status::ok();
  return refuse("moves elements of 1, 2, 4 or 8 bytes");
}

// --- moves

// One move of a launch; addresses come with the run.
struct BoundMove {
  size_t input = 0;
  size_t output = 0;
  int64_t x_offset = 0;  // bytes
  int64_t y_offset = 0;
  DeviceMove move;
};

struct BoundMoves {
  std::vector<Shape> outputs;
  std::vector<BoundMove> moves;
  size_t element_bytes = 1;
};

// Extents of 1 dropped, neighbours joined, in the order of y.
Result<DeviceMove> device_move(const StridedMove& move) {
  struct Axis {
    int64_t extent, x, y;
  };
  std::vector<Axis> axes;
  for (size_t i = 0; i < move.shape.size(); ++i) {
    if (move.shape[i] != 1) axes.push_back({move.shape[i], move.x_strides[i], move.y_strides[i]});
  }
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return a.y > b.y; });
  std::vector<Axis> joined;
  for (const Axis& axis : axes) {
    Axis* outer = joined.empty() ? nullptr : &joined.back();
    if (outer != nullptr && outer->x == axis.x * axis.extent && outer->y == axis.y * axis.extent) {
      *outer = {outer->extent * axis.extent, axis.x, axis.y};
    } else {
      joined.push_back(axis);
    }
  }
  if (joined.empty()) joined.push_back({1, 1, 1});
  if (joined.size() > kMaxMoveAxes) return refuse("a move along more than eight axes");
  DeviceMove result;
  for (const Axis& axis : joined) {
    result.extents[result.axes] = axis.extent;
    result.x_strides[result.axes] = axis.x;
    result.y_strides[result.axes++] = axis.y;
  }
  return result;
}

Result<BoundMoves> bound_moves(const NodeFacts& node, MovePlan plan) {
  PENSTOCK_RETURN_IF_ERROR(check_size(node.inputs[0].dtype));
  BoundMoves bound;
  bound.outputs = std::move(plan.outputs);
  bound.element_bytes = size_of(node.inputs[0].dtype);
  const auto size = static_cast<int64_t>(bound.element_bytes);
  for (const MoveStep& step : plan.steps) {
    if (step.input < 0) return refuse("blocks of channels are for the host");
    if (element_count(step.move.shape) == 0) continue;
    PENSTOCK_ASSIGN_OR_RETURN(const DeviceMove move, device_move(step.move));
    bound.moves.push_back({static_cast<size_t>(step.input), step.output, step.x_offset * size,
                           step.y_offset * size, move});
  }
  return bound;
}

Status run_moves(const BoundMoves& bound, KernelRun& run, cudaStream_t stream) {
  std::vector<TensorView> outputs(bound.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!run.has_output(i)) continue;
    PENSTOCK_ASSIGN_OR_RETURN(outputs[i], run.output(i, bound.outputs[i]));
  }
  std::vector<DeviceMove> moves;
  for (const BoundMove& step : bound.moves) {
    if (!run.has_output(step.output)) continue;
    moves.push_back(step.move);
    moves.back().x = run.input(step.input).as<const std::byte>() + step.x_offset;
    moves.back().y = outputs[step.output].as<std::byte>() + step.y_offset;
  }
  launch_moves(moves.data(), moves.size(), bound.element_bytes, stream);
  return Status::ok();
}

// An operator whose plan the CPU's tactic makes; the addresses of these functions are its tactic.
template <const backends::Tactic& (*kPlanner)(), size_t kParameters, bool kFreeLayouts>
struct Moves {
  static Result<BoundMoves> bound(const NodeFacts& node) {
    PENSTOCK_ASSIGN_OR_RETURN(MovePlan plan, static_cast<const MoveTactic&>(kPlanner()).plan(node));
    return bound_moves(node, std::move(plan));
  }

  static void add_form(NodeFacts node, Layout input, Layout output, Offer& offer) {
    Form form = Offer::plain(node).forms[0];
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      Operand& operand = node.inputs[i];
      const bool is_image = operand.present && operand.shape.size() == 4;
      operand.layout = is_image && operand.data == nullptr ? input : Layout::kPlain;
      form.inputs[i] = operand.layout;
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      node.outputs[i].layout = node.outputs[i].present ? output : Layout::kPlain;
      form.outputs[i] = node.outputs[i].layout;
    }
    if (bound(node).is_ok()) offer.forms.push_back(std::move(form));
  }

  static Offer offer(const NodeFacts& node) {
    if (const Status known = check_no_parameters(node, kParameters); !known.is_ok()) {
      return Offer::refuse(known.message());
    }
    NodeFacts plain = node;
    for (Operand& operand : plain.inputs) operand.layout = Layout::kPlain;
    for (Operand& operand : plain.outputs) operand.layout = Layout::kPlain;
    if (const Status status = bound(plain).status(); !status.is_ok()) {
      return Offer::refuse(status.message());
    }
    Offer offer = Offer::plain(node);
    if (node.inputs[0].shape.size() != 4 || node.outputs[0].shape.size() != 4) return offer;
    add_form(plain, Layout::kChannelsLast, Layout::kChannelsLast, offer);
    if (kFreeLayouts) {
      add_form(plain, Layout::kPlain, Layout::kChannelsLast, offer);
      add_form(plain, Layout::kChannelsLast, Layout::kPlain, offer);
    }
    return offer;
  }

  static Result<CudaLaunch> bind(const NodeFacts& node) {
    PENSTOCK_ASSIGN_OR_RETURN(BoundMoves moves, bound(node));
    return CudaLaunch([moves = std::move(moves)](KernelRun& run, cudaStream_t stream) {
      return run_moves(moves, run, stream);
    });
  }
};

constexpr size_t kNone = ~size_t{0};  // no input is a parameter
using TransposeMoves = Moves<simd_transpose, kNone, true>;
using SliceMoves = Moves<simd_slice, 1, false>;
using ConcatMoves = Moves<simd_concat, kNone, false>;
using SplitMoves = Moves<simd_split, 1, false>;
using ExpandMoves = Moves<simd_expand, 1, false>;
using TileMoves = Moves<simd_tile, 1, false>;
using DepthToSpaceMoves = Moves<simd_depth_to_space, kNone, true>;
using SpaceToDepthMoves = Moves<simd_space_to_depth, kNone, true>;
using ReorderMoves = Moves<simd_reorder, kNone, false>;

// The layouts are the node's to say: a Reorder is between two that others chose.
Offer offer_reorder(const NodeFacts& node) {
  if (const Status status = ReorderMoves::bound(node).status(); !status.is_ok()) {
    return Offer::refuse(status.message());
  }
  if (is_blocked(node.inputs[0].layout) || is_blocked(node.outputs[0].layout)) {
    return Offer::refuse("blocks of channels are for the host");
  }
  return {{{{node.inputs[0].layout}, {node.outputs[0].layout}, ""}}, ""};
}

// --- copies: Copy, and what changes a shape only

Offer offer_copy(const NodeFacts& node) { return Offer::plain(node); }

Result<CudaLaunch> bind_copy(const NodeFacts& node) {
  const size_t bytes =
      static_cast<size_t>(element_count(node.outputs[0].shape)) * size_of(node.outputs[0].dtype);
  return CudaLaunch(
      [bytes, shape = node.outputs[0].shape](KernelRun& run, cudaStream_t stream) -> Status {
        PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
        const void* x = run.input(0).data;
        if (bytes == 0 || x == y.data) return Status::ok();
        return backends::cuda::cuda_status(
            cudaMemcpyAsync(y.data, x, bytes, cudaMemcpyDeviceToDevice, stream), "a copy");
      });
}

// --- Pad

Result<PadArguments> pad_arguments(const NodeFacts& node) {
  const Operand& x = node.inputs[0];
  PENSTOCK_RETURN_IF_ERROR(check_size(x.dtype));
  if (node.has_input(1) || node.has_input(3)) return refuse("pads are known at the run only");
  PENSTOCK_ASSIGN_OR_RETURN(const Padding pad, padding(node, FactsRun(node)));
  PadArguments a;
  a.mode = pad.mode == PadMode::kConstant  ? DevicePadMode::kConstant
           : pad.mode == PadMode::kReflect ? DevicePadMode::kReflect
           : pad.mode == PadMode::kEdge    ? DevicePadMode::kEdge
                                           : DevicePadMode::kWrap;
  const std::vector<int64_t> strides = layout_strides({x.shape, x.layout});
  std::vector<size_t> order;  // axes as they lie in memory
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (d != 1 || x.layout == Layout::kPlain) order.push_back(d);
  }
  if (x.layout != Layout::kPlain) order.push_back(1);
  for (size_t d : order) {
    PadArguments one;
    one.begin[0] = std::max<int64_t>(0, pad.begin[d]);
    one.first[0] = std::max<int64_t>(0, -pad.begin[d]);
    one.count[0] = x.shape[d] - one.first[0] - std::max<int64_t>(0, -pad.end[d]);
    one.extents[0] = pad.shape[d];
    // An axis that is cropped at its end leaves a gap after it.
    const bool joins = a.axes > 0 && !a.is_padded(a.axes - 1) && !one.is_padded(0) &&
                       a.x_strides[a.axes - 1] == strides[d] * one.count[0];
    if (joins) {
      a.extents[a.axes - 1] *= one.extents[0];
      a.count[a.axes - 1] *= one.count[0];
      a.x_strides[a.axes - 1] = strides[d];
      continue;
    }
    if (a.axes == kMaxMoveAxes) return refuse("pads more than eight axes");
    a.extents[a.axes] = one.extents[0];
    a.count[a.axes] = one.count[0];
    a.begin[a.axes] = one.begin[0];
    a.first[a.axes] = one.first[0];
    a.x_strides[a.axes++] = strides[d];
  }
  if (a.axes == 0) {
    a.axes = 1;
    a.extents[0] = a.count[0] = a.x_strides[0] = 1;
  }
  return a;
}

Offer offer_pad(const NodeFacts& node) {
  if (const Status status = pad_arguments(node).status(); !status.is_ok()) {
    return Offer::refuse(status.message());
  }
  Offer offer = Offer::plain(node);
  if (node.inputs[0].shape.size() == 4) {
    offer.forms.push_back(offer.forms[0]);
    offer.forms[1].inputs[0] = offer.forms[1].outputs[0] = Layout::kChannelsLast;
  }
  return offer;
}

Result<CudaLaunch> bind_pad(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const PadArguments bound, pad_arguments(node));
  return CudaLaunch([bound, shape = node.outputs[0].shape, size = size_of(node.inputs[0].dtype)](
                        KernelRun& run, cudaStream_t stream) {
    PadArguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    a.x = run.input(0).data;
    if (run.has_input(2)) a.value = run.input(2).data;
    a.y = y.data;
    launch_pad(a, size, stream);
    return Status::ok();
  });
}

// --- numbers: ConstantOfShape, EyeLike, Range, Extents, Shape, Size

// A number as the bits of an element.
Result<uint64_t> bits_of(DataType type, double real, int64_t integer, bool is_integral) {
  uint64_t bits = 0;
  PENSTOCK_RETURN_IF_ERROR(dispatch(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T value = is_integral ? static_cast<T>(static_cast<Compute<T>>(integer))
                                : static_cast<T>(static_cast<Compute<T>>(real));
    std::memcpy(&bits, &value, sizeof value);
    return Status::ok();
  }));
  return bits;
}

Result<uint64_t> filling_bits(const NodeFacts& node) {
  const auto& all = node.attributes.all();
  const auto value = all.find("value");
  const DataType type = node.outputs[0].dtype;
  if (value == all.end()) return bits_of(type, 0.0, 0, true);
  const auto* integer = std::get_if<int64_t>(&value->second);
  if (integer != nullptr) return bits_of(type, 0.0, *integer, true);
  return bits_of(type, static_cast<double>(node.attributes.get_float("value")), 0, false);
}

Offer offer_constant_of_shape(const NodeFacts& node) {
  const Status known = check_no_parameters(node, 0);
  return plain_or_refuse(node, known.is_ok() ? filling_bits(node).status() : known);
}

Result<CudaLaunch> bind_constant_of_shape(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const uint64_t bits, filling_bits(node));
  return CudaLaunch([bits, shape = node.outputs[0].shape, size = size_of(node.outputs[0].dtype)](
                        KernelRun& run, cudaStream_t stream) {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    launch_fill(y.data, y.count(), bits, size, stream);
    return Status::ok();
  });
}

Offer offer_eye(const NodeFacts& node) {
  return plain_or_refuse(node, bits_of(node.outputs[0].dtype, 1.0, 1, true).status());
}

Result<CudaLaunch> bind_eye(const NodeFacts& node) {
  EyeArguments bound;
  PENSTOCK_ASSIGN_OR_RETURN(bound.bits, bits_of(node.outputs[0].dtype, 1.0, 1, true));
  bound.rows = node.outputs[0].shape[0];
  bound.columns = node.outputs[0].shape[1];
  bound.k = node.attributes.get_int("k");
  return CudaLaunch([bound, shape = node.outputs[0].shape, size = size_of(node.outputs[0].dtype)](
                        KernelRun& run, cudaStream_t stream) {
    EyeArguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    a.y = y.data;
    launch_eye(a, size, stream);
    return Status::ok();
  });
}

Offer offer_range(const NodeFacts& node) {
  if (!has_range(node.inputs[0].dtype)) {
    return Offer::refuse("counts no " + std::string(to_string(node.inputs[0].dtype)));
  }
  return Offer::plain(node);
}

Result<CudaLaunch> bind_range(const NodeFacts& node) {
  return CudaLaunch([shape = node.outputs[0].shape](KernelRun& run, cudaStream_t stream) {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    launch_range(y.dtype, run.input(0).data, run.input(2).data, y.data, y.count(), stream);
    return Status::ok();
  });
}

// The numbers of Extents, Shape and Size.
Result<std::vector<int64_t>> host_values(const NodeFacts& node) {
  std::vector<int64_t> values;
  if (node.op == "Extents") {
    values = node.attributes.get_ints("values");
  } else if (node.op == "Size") {
    values = {element_count(node.inputs[0].shape)};
  } else {
    const Shape& x = node.inputs[0].shape;
    const auto rank = static_cast<int64_t>(x.size());
    int64_t start = node.attributes.get_int("start", 0);
    int64_t end = node.attributes.get_int("end", rank);
    start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
    end = std::clamp<int64_t>(end < 0 ? end + rank : end, start, rank);
    values.assign(x.begin() + start, x.begin() + end);
  }
  if (values.size() > kMaxValues) return refuse("more than 64 numbers");
  return values;
}

Offer offer_values(const NodeFacts& node) {
  return plain_or_refuse(node, host_values(node).status());
}

Result<CudaLaunch> bind_values(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> values, host_values(node));
  ValueArguments bound;
  bound.count = static_cast<int>(values.size());
  std::copy(values.begin(), values.end(), bound.values);
  return CudaLaunch([bound, shape = node.outputs[0].shape, size = size_of(node.outputs[0].dtype)](
                        KernelRun& run, cudaStream_t stream) {
    ValueArguments a = bound;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    a.y = y.data;
    launch_values(a, size, stream);
    return Status::ok();
  });
}

// --- Trilu, ReverseSequence

Offer offer_trilu(const NodeFacts& node) {
  const Status known = check_no_parameters(node, 1);
  return plain_or_refuse(node, known.is_ok() ? check_size(node.inputs[0].dtype) : known);
}

Result<CudaLaunch> bind_trilu(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  TriluArguments bound;
  bound.rows = x[x.size() - 2];
  bound.columns = x.back();
  bound.matrices = element_count(Shape(x.begin(), x.end() - 2));
  bound.upper = node.attributes.get_int("upper", 1) != 0;
  const std::vector<int64_t> k = node.attributes.get_ints("k");
  bound.k = k.empty() ? node.attributes.get_int("k") : k.front();
  return make_launch(
      bound, x,
      [size = size_of(node.inputs[0].dtype)](const TriluArguments& a, cudaStream_t stream) {
        launch_trilu(a, size, stream);
      });
}

Result<ReverseArguments> reverse_arguments(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_size(node.inputs[0].dtype));
  const Shape& x = node.inputs[0].shape;
  const int64_t batch = node.attributes.get_int("batch_axis", 1);
  const int64_t time = node.attributes.get_int("time_axis", 0);
  if (x.size() < 2 || batch + time != 1 || batch * time != 0) return refuse("takes axes 0 and 1");
  if (node.inputs[1].dtype != DataType::kInt64) return refuse("takes lengths of int64");
  ReverseArguments a;
  a.first = x[0];
  a.second = x[1];
  a.inner = element_count(Shape(x.begin() + 2, x.end()));
  a.time_first = time == 0;
  if (element_count(node.inputs[1].shape) != x[static_cast<size_t>(batch)]) {
    return refuse("needs a length for each sequence");
  }
  return a;
}

Offer offer_reverse(const NodeFacts& node) {
  return plain_or_refuse(node, reverse_arguments(node).status());
}

Result<CudaLaunch> bind_reverse(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ReverseArguments bound, reverse_arguments(node));
  return make_launch(
      bound, node.inputs[0].shape,
      [size = size_of(node.inputs[0].dtype)](const ReverseArguments& a, cudaStream_t stream) {
        launch_reverse(a, size, stream);
      },
      [](ReverseArguments& a, const KernelRun& run) {
        a.lengths = run.input(1).as<const int64_t>();
      });
}

TacticList move_tactics() {
  static const CudaTactic kTranspose("cuda.transpose", TransposeMoves::offer, TransposeMoves::bind);
  static const CudaTactic kSlice("cuda.slice", SliceMoves::offer, SliceMoves::bind);
  static const CudaTactic kConcat("cuda.concat", ConcatMoves::offer, ConcatMoves::bind);
  static const CudaTactic kSplit("cuda.split", SplitMoves::offer, SplitMoves::bind);
  static const CudaTactic kExpand("cuda.expand", ExpandMoves::offer, ExpandMoves::bind);
  static const CudaTactic kTile("cuda.tile", TileMoves::offer, TileMoves::bind);
  static const CudaTactic kDepthToSpace("cuda.depth_to_space", DepthToSpaceMoves::offer,
                                        DepthToSpaceMoves::bind);
  static const CudaTactic kSpaceToDepth("cuda.space_to_depth", SpaceToDepthMoves::offer,
                                        SpaceToDepthMoves::bind);
  static const CudaTactic kReorder("cuda.reorder", offer_reorder, ReorderMoves::bind);
  return {{"Transpose", &kTranspose},
          {"Slice", &kSlice},
          {"Concat", &kConcat},
          {"Split", &kSplit},
          {"Expand", &kExpand},
          {"Tile", &kTile},
          {"DepthToSpace", &kDepthToSpace},
          {"SpaceToDepth", &kSpaceToDepth},
          {"Reorder", &kReorder}};
}

}  // namespace

TacticList movement_cuda_tactics() {
  static const CudaTactic kCopy("cuda.copy", offer_copy, bind_copy);
  static const CudaTactic kPad("cuda.pad", offer_pad, bind_pad);
  static const CudaTactic kConstantOfShape("cuda.constant_of_shape", offer_constant_of_shape,
                                           bind_constant_of_shape);
  static const CudaTactic kEye("cuda.eye_like", offer_eye, bind_eye);
  static const CudaTactic kRange("cuda.range", offer_range, bind_range);
  static const CudaTactic kValues("cuda.values", offer_values, bind_values);
  static const CudaTactic kTrilu("cuda.trilu", offer_trilu, bind_trilu, {.in_place = true});
  static const CudaTactic kReverse("cuda.reverse_sequence", offer_reverse, bind_reverse);
  TacticList all = move_tactics();
  for (std::string_view op : {"Copy", "Reshape", "Flatten", "Squeeze", "Unsqueeze"}) {
    all.emplace_back(op, &kCopy);
  }
  for (std::string_view op : {"Extents", "Shape", "Size"}) all.emplace_back(op, &kValues);
  all.insert(all.end(), {{"Pad", &kPad},
                         {"ConstantOfShape", &kConstantOfShape},
                         {"EyeLike", &kEye},
                         {"Range", &kRange},
                         {"Trilu", &kTrilu},
                         {"ReverseSequence", &kReverse}});
  return all;
}

}  // namespace penstock::ops
