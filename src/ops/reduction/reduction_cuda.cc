// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reduction/reduction_cuda.h"

#include <limits>

#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/normalization/normalization.h"
#include "ops/reduction/reduction.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;
using ir::Layout;

constexpr int64_t kMost = int64_t{1} << 30;  // places that kernels count in 32 bits

Status check_type(DataType type) {
  if (has_reduce(type)) return Status::ok();
  return refuse("reduces no elements of type " + std::string(to_string(type)));
}

// An integer attribute, or a list of one.
std::vector<int64_t> ints_of(const NodeFacts& node, std::string_view name) {
  std::vector<int64_t> values = node.attributes.get_ints(name);
  if (values.empty() && node.attributes.has(name)) values = {node.attributes.get_int(name)};
  return values;
}

// --- ReduceSum and its like

void set_recipe(Reduction reduction, ReduceArguments& a) {
  switch (reduction) {
    case Reduction::kSum: break;
    case Reduction::kMean: a.ending = Ending::kMean; break;
    case Reduction::kMax: a.accumulation = Accumulation::kMax; break;
    case Reduction::kMin: a.accumulation = Accumulation::kMin; break;
    case Reduction::kProd: a.accumulation = Accumulation::kProduct; break;
    case Reduction::kL1: a.magnitude = Magnitude::kAbsolute; break;
    case Reduction::kL2:
      a.magnitude = Magnitude::kSquare;
      a.ending = Ending::kRoot;
      break;
    case Reduction::kSumSquare: a.magnitude = Magnitude::kSquare; break;
    case Reduction::kLogSum: a.ending = Ending::kLog; break;
    case Reduction::kLogSumExp: a.accumulation = Accumulation::kLogSumExp; break;
  }
}

// Another axis of x, outside of those there are. False where there is no room.
bool add_axis(ReduceAxes& axes, int64_t extent, int64_t stride, bool joins) {
  axes.count *= extent;
  if (joins) {
    axes.extents[axes.axes - 1] *= extent;
    axes.strides[axes.axes - 1] = stride;
    return true;
  }
  if (axes.axes == kMaxReduceAxes) return false;
  axes.extents[axes.axes] = extent;
  axes.strides[axes.axes++] = stride;
  return true;
}

// Axes in the order of memory, those of one kind that follow each other joined.
Status set_axes(const Operand& x, const std::vector<bool>& reduced, ReduceArguments& a) {
  std::vector<size_t> order;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (d != 1 || x.layout == Layout::kPlain) order.push_back(d);
  }
  if (x.layout != Layout::kPlain) order.push_back(1);
  int64_t stride = element_count(x.shape);
  int last = -1;  // was the axis before reduced?
  for (size_t d : order) {
    if (x.shape[d] == 1) continue;
    stride = x.shape[d] == 0 ? 0 : stride / x.shape[d];
    const int kind = reduced[d] ? 1 : 0;
    if (!add_axis(reduced[d] ? a.reduced : a.kept, x.shape[d], stride, kind == last)) {
      return refuse("reduced and kept axes alternate more than four times");
    }
    last = kind;
  }
  a.is_inner = last == 1;
  for (ReduceAxes* axes : {&a.kept, &a.reduced}) {
    if (axes->axes == 0) add_axis(*axes, 1, 1, false);
    if (axes->count > kMost) return refuse("more than 2^30 results, or elements of one");
  }
  return Status::ok();
}

Result<ReduceArguments> reduce_arguments(const NodeFacts& node) {
  const Operand& x = node.inputs[0];
  const std::optional<Reduction> reduction = find_reduction(node.op);
  if (!reduction) return refuse("no kernel for " + node.op);
  PENSTOCK_RETURN_IF_ERROR(check_type(x.dtype));
  if (node.has_input(1)) return refuse("the axes are known at the run only");
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<bool> reduced,
                            reduced_axes(node.attributes, node.attributes.get_ints("axes"),
                                         static_cast<int64_t>(x.shape.size())));
  ReduceArguments a;
  a.type = x.dtype;
  set_recipe(*reduction, a);
  const bool is_root = a.ending == Ending::kRoot || a.ending == Ending::kLog ||
                       a.accumulation == Accumulation::kLogSumExp;
  if (is_root && is_integer(x.dtype)) return refuse("roots and logarithms of integers");
  PENSTOCK_RETURN_IF_ERROR(set_axes(x, reduced, a));
  a.parts = reduce_parts(a);
  return a;
}

Offer offer_reduce(const NodeFacts& node) {
  return both_layouts_or_refuse(node, reduce_arguments(node).status());
}

Result<CudaLaunch> bind_reduce(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ReduceArguments bound, reduce_arguments(node));
  return make_launch(
      bound, node.outputs[0].shape, launch_reduce,
      [](ReduceArguments& a, const KernelRun& run) { a.workspace = run.workspace(); });
}

// The partial results.
Result<size_t> reduce_workspace(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ReduceArguments a, reduce_arguments(node));
  return reduce_workspace_bytes(a);
}

// --- ArgMax, ArgMin

Result<ArgReduceArguments> arg_arguments(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  PENSTOCK_RETURN_IF_ERROR(check_type(node.inputs[0].dtype));
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", 0),
                                                         static_cast<int64_t>(x.size())));
  const AxisSplit split = split_at(x, axis);
  ArgReduceArguments a;
  a.type = node.inputs[0].dtype;
  a.outer = split.outer;
  a.extent = split.extent;
  a.inner = split.inner;
  a.largest = node.op == "ArgMax";
  a.last = node.attributes.get_int("select_last_index", 0) != 0;
  if (a.extent == 0 && a.outer * a.inner > 0) return refuse("the axis has no elements");
  if (a.outer * a.inner > kMost) return refuse("more than 2^30 lines");
  return a;
}

Offer offer_arg(const NodeFacts& node) {
  return plain_or_refuse(node, arg_arguments(node).status());
}

Result<CudaLaunch> bind_arg(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ArgReduceArguments bound, arg_arguments(node));
  return make_launch(bound, node.outputs[0].shape, launch_arg_reduce);
}

// --- CumSum, CumProd

Result<ScanArguments> scan_arguments(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  PENSTOCK_RETURN_IF_ERROR(check_type(node.inputs[0].dtype));
  if (node.has_input(1)) return refuse("the axis is known at the run only");
  const std::vector<int64_t> axes = ints_of(node, "axis");
  if (axes.size() != 1) return refuse("the axis must be one integer");
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(axes[0], static_cast<int64_t>(x.size())));
  const AxisSplit split = split_at(x, axis);
  ScanArguments a;
  a.type = node.inputs[0].dtype;
  a.outer = split.outer;
  a.extent = split.extent;
  a.inner = split.inner;
  a.product = node.op == "CumProd";
  a.exclusive = node.attributes.get_int("exclusive") != 0;
  a.reverse = node.attributes.get_int("reverse") != 0;
  if (a.outer * a.inner > kMost) return refuse("more than 2^30 lines");
  return a;
}

Offer offer_scan(const NodeFacts& node) {
  return plain_or_refuse(node, scan_arguments(node).status());
}

Result<CudaLaunch> bind_scan(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const ScanArguments bound, scan_arguments(node));
  return make_launch(bound, node.inputs[0].shape, launch_scan);
}

}  // namespace

TacticList reduction_cuda_tactics() {
  static const CudaTactic kReduce("cuda.reduce", offer_reduce, bind_reduce,
                                  {.in_place = false, .workspace = reduce_workspace});
  static const CudaTactic kArg("cuda.arg_reduce", offer_arg, bind_arg);
  static const CudaTactic kScan("cuda.scan", offer_scan, bind_scan);
  TacticList tactics;
  for (const OpDefinition* op : reduce_ops()) tactics.emplace_back(op->name, &kReduce);
  tactics.insert(tactics.end(),
                 {{"ArgMax", &kArg}, {"ArgMin", &kArg}, {"CumSum", &kScan}, {"CumProd", &kScan}});
  return tactics;
}

}  // namespace penstock::ops
