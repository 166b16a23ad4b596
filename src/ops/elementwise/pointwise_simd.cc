// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/cpu_stream.h"
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/layout_walk.h"
#include "ops/elementwise/pointwise_compile.h"
#include "ops/layout_offset.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using ir::Layout;

// A thread is worth waking for about this many additions.
constexpr double kWorkPerThread = 40000;
// Ranges of threads start at cache lines of floats.
constexpr int64_t kLine = 16;

bool is_quantization(const NodeFacts& node) {
  return node.op == "QuantizeLinear" || node.op == "DequantizeLinear";
}

bool is_byte(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

bool is_float(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}

// One scale for all, or one for each index of the last axis, between floats and 8 bits.
Result<std::string> quantization_program(const NodeFacts& node) {
  const bool quantizes = node.op == "QuantizeLinear";
  const Operand& x = node.inputs[0];
  const Operand& scale = node.inputs[1];
  const Operand& real = quantizes ? x : node.outputs[0];
  const Operand& bytes = quantizes ? node.outputs[0] : x;
  constexpr auto kFloat = static_cast<int64_t>(DataType::kFloat32);
  if (!is_float(real.dtype) || scale.dtype != DataType::kFloat32 || !is_byte(bytes.dtype) ||
      node.attributes.get_int("precision", kFloat) != kFloat) {
    return Status(StatusCode::kUnsupported,
                  "quantizes between floats of 16 or 32 bits and 8 bits, in float32");
  }
  const auto rank = static_cast<int64_t>(x.shape.size());
  const int64_t axis = node.attributes.get_int("axis", 1);
  const bool is_last = scale.shape.size() == 1 && (axis == rank - 1 || axis == -1);
  const bool is_one = element_count(scale.shape) == 1 && (scale.shape.empty() || rank > 0);
  if (node.attributes.get_int("block_size") != 0 || (!is_one && !is_last)) {
    return Status(StatusCode::kUnsupported, "scales neither of all nor of the last axis");
  }
  if (quantizes)
    return std::string(node.has_input(2) ? "div(i0,i1);round(t0);add(t1,i2)" : "div(i0,i1)");
  return std::string(node.has_input(2) ? "sub(i0,i2);mul(t0,i1)" : "mul(i0,i1)");
}

// Between floats: what is loaded is stored.
Result<CompiledPointwise> compile_cast(const NodeFacts& node) {
  if (!is_float(node.inputs[0].dtype) || !is_float(node.outputs[0].dtype)) {
    return Status(StatusCode::kUnsupported, "converts between floats of 16 and 32 bits");
  }
  CompiledPointwise compiled;
  compiled.instrs = {{simd::PointwiseOp::kLoad, 0, 0}, {simd::PointwiseOp::kStore, 0, 0}};
  compiled.inputs = {0};
  compiled.cost = 1;
  return compiled;
}

// The program of a Pointwise node, or of the one operator that another node is.
Result<CompiledPointwise> compile_node(const NodeFacts& node) {
  if (node.op == "Cast") return compile_cast(node);
  std::string text = node.attributes.get_string("program");
  if (is_quantization(node)) {
    PENSTOCK_ASSIGN_OR_RETURN(text, quantization_program(node));
  } else if (node.op != "Pointwise") {
    std::optional<std::string> call = pointwise_call(node);
    if (!call) {
      const DataType dtype = node.inputs.empty() ? DataType::kUndefined : node.inputs.back().dtype;
      return Status(StatusCode::kUnsupported,
                    node.op + " of " + std::string(to_string(dtype)) +
                        " with these attributes is no expression of floats and bool");
    }
    text = std::move(*call);
    std::replace(text.begin(), text.end(), '$', 'i');
  }
  PENSTOCK_ASSIGN_OR_RETURN(const PointwiseProgram program, parse_pointwise(text));
  if (program.input_count() > static_cast<int>(node.inputs.size())) {
    return Status(StatusCode::kInvalidArgument, "the program names an input that the node lacks");
  }
  for (const Operand& operand : node.inputs) {
    const bool fits =
        is_float(operand.dtype) || operand.dtype == DataType::kBool || is_byte(operand.dtype);
    if (node.op == "Pointwise" && !fits) {
      return Status(StatusCode::kUnsupported,
                    "computes in float32, not " + std::string(to_string(operand.dtype)));
    }
  }
  const DataType result = node.outputs[0].dtype;
  if (node.op == "Pointwise" && !is_float(result) && !is_byte(result)) {
    return Status(StatusCode::kUnsupported,
                  "gives floats, int8 and uint8, not " + std::string(to_string(result)));
  }
  return compile_pointwise(program);
}

BroadcastLoop walk(const NodeFacts& node, const CompiledPointwise& compiled) {
  std::vector<const Operand*> operands;
  for (int i : compiled.inputs) operands.push_back(&node.inputs[i]);
  BroadcastLoop loop = layout_walk(node.outputs[0].shape, node.outputs[0].layout, operands);
  collapse_axes(loop);
  return loop;
}

// Channels of a blocked output that are there only to fill the last block.
int64_t padding_of(const Operand& y) {
  const int64_t block = block_of(y.layout);
  return block == 1 || y.shape.size() < 2 ? 0 : (block - y.shape[1] % block) % block;
}

class PointwiseKernel : public Kernel {
 public:
  PointwiseKernel(const NodeFacts& node, CompiledPointwise compiled)
      : compiled_(std::move(compiled)), program_(compiled_.view()), shape_(node.outputs[0].shape) {
    const BroadcastLoop loop = walk(node, compiled_);
    total_ = element_count(loop.extents);
    operands_.rank = static_cast<int>(loop.extents.size());
    std::copy(loop.extents.begin(), loop.extents.end(), operands_.dims);
    for (size_t k = 0; k < compiled_.inputs.size(); ++k) {
      const Operand& x = node.inputs[compiled_.inputs[k]];
      operands_.inputs[k].type = type_of(x.dtype);
      std::copy(loop.strides[k].begin(), loop.strides[k].end(), operands_.inputs[k].strides);
    }
    operands_.outputs[0].type = type_of(node.outputs[0].dtype);
    grain_ =
        std::max<int64_t>(1, static_cast<int64_t>(kWorkPerThread / (compiled_.cost + 1)) / kLine);
    if (padding_of(node.outputs[0]) != 0) {
      block_ = block_of(node.outputs[0].layout);
      padding_ = padding_of(node.outputs[0]);
    }
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape_));
    if (total_ == 0) return Status::ok();
    simd::PointwiseOperands operands = operands_;
    operands.outputs[0].data = y.data;
    for (size_t k = 0; k < compiled_.inputs.size(); ++k) {
      operands.inputs[k].data = run.input(static_cast<size_t>(compiled_.inputs[k])).data;
    }
    const auto& team = backends::team_of(run.stream());
    team.parallel_for((total_ + kLine - 1) / kLine, grain_, [&](int64_t begin, int64_t end) {
      simd::run_pointwise(program_, operands, begin * kLine, std::min(total_, end * kLine));
    });
    if (padding_ != 0) clear_padding(y.data, size_of(y.dtype));
    return Status::ok();
  }

 private:
  static simd::PointwiseType type_of(DataType dtype) {
    switch (dtype) {
      case DataType::kBool: return simd::PointwiseType::kBool;
      case DataType::kInt8: return simd::PointwiseType::kInt8;
      case DataType::kUInt8: return simd::PointwiseType::kUInt8;
      case DataType::kFloat16: return simd::PointwiseType::kFloat16;
      case DataType::kBFloat16: return simd::PointwiseType::kBFloat16;
      default: return simd::PointwiseType::kFloat32;
    }
  }

  // Channels that only fill the last block stay zero, whatever the program makes of zero.
  void clear_padding(void* data, size_t size) const {
    const int64_t places = total_ / block_ / shape_[0];  // blocks of one sample
    const int64_t in_last = places / ((shape_[1] + block_ - 1) / block_);
    for (int64_t n = 0; n < shape_[0]; ++n) {
      for (int64_t place = places - in_last; place < places; ++place) {
        const int64_t end = (n * places + place + 1) * block_;
        std::fill_n(static_cast<std::byte*>(data) + (end - padding_) * size, padding_ * size,
                    std::byte{0});
      }
    }
  }

  CompiledPointwise compiled_;
  simd::PointwiseProgram program_;
  Shape shape_;
  simd::PointwiseOperands operands_;
  int64_t total_ = 0;
  int64_t grain_ = 1;
  int64_t block_ = 1;
  int64_t padding_ = 0;
};

// Every expression computed in float32, fused or single, in any layout that its full-size operands
// share.
class PointwiseTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.pointwise"; }

  Offer offer(const NodeFacts& node) const override {
    const auto compiled = compile_node(node);
    if (!compiled.is_ok()) return Offer::refuse(compiled.status().message());
    if (walk(node, *compiled).extents.size() > simd::kMaxPointwiseRank) {
      return Offer::refuse("broadcasts along more than " + std::to_string(simd::kMaxPointwiseRank) +
                           " separate axes");
    }
    Offer offer = Offer::plain(node);
    if (node.outputs[0].shape.size() < 3) return offer;
    for (Layout layout : {Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16}) {
      add_forms(node, layout, offer.forms);
    }
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(CompiledPointwise compiled, compile_node(node));
    for (int i : compiled.inputs) {
      const Shape& from = node.inputs[i].shape;
      if (broadcasts_to(from, node.outputs[0].shape)) continue;
      return Status(StatusCode::kInvalidArgument, "an operand of shape " + to_string(from) +
                                                      " does not broadcast to " +
                                                      to_string(node.outputs[0].shape));
    }
    if (walk(node, compiled).extents.size() > simd::kMaxPointwiseRank) {
      return Status(StatusCode::kUnsupported, "broadcasts along too many axes");
    }
    return std::unique_ptr<Kernel>(std::make_unique<PointwiseKernel>(node, std::move(compiled)));
  }

  bool can_run_in_place(const NodeFacts& node, size_t input) const override {
    const Operand& x = node.inputs[input];
    const Operand& y = node.outputs[0];
    return x.present && x.data == nullptr && x.dtype == y.dtype && x.shape == y.shape &&
           x.layout == y.layout;
  }

 private:
  static bool varies(const Operand& x) { return x.present && x.data == nullptr; }

  // Two forms of a layout: full-size operands have it, and those broadcast are row-major (a vector
  // of channels, a scalar), or have it too where they have the rank (squeeze and excitation).
  static void add_forms(const NodeFacts& node, Layout layout, std::vector<Form>& forms) {
    const Shape& shape = node.outputs[0].shape;
    Form form;
    form.outputs = {layout};
    form.inputs.assign(node.inputs.size(), Layout::kPlain);
    bool any_full = false;
    bool any_partial = false;
    Form with_partial = form;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Operand& x = node.inputs[i];
      if (!varies(x) || x.shape.size() != shape.size()) continue;
      const bool full = x.shape == shape;
      any_full = any_full || full;
      const bool partial = !full && element_count(x.shape) > 1;
      any_partial = any_partial || partial;
      if (full) form.inputs[i] = layout;
      if (full || partial) with_partial.inputs[i] = layout;
    }
    with_partial.outputs = form.outputs;
    if (!any_full) return;
    if (reads_inside(node, form)) forms.push_back(form);
    if (any_partial && reads_inside(node, with_partial)) forms.push_back(with_partial);
  }

  // A row-major operand has no elements for the channels that fill the last block.
  static bool reads_inside(const NodeFacts& node, const Form& form) {
    const Shape& shape = node.outputs[0].shape;
    Operand y = node.outputs[0];
    y.layout = form.outputs[0];
    if (padding_of(y) == 0) return true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Operand& x = node.inputs[i];
      if (!x.present || form.inputs[i] != Layout::kPlain) continue;
      const size_t channel_axis_from_end = shape.size() - 1;
      const size_t rank = x.shape.size();
      const bool has_channels = rank >= channel_axis_from_end;
      if (has_channels && x.shape[rank - channel_axis_from_end] != 1) return false;
    }
    return true;
  }
};

}  // namespace

TacticList pointwise_simd_tactics() {
  static const PointwiseTactic kTactic;
  TacticList tactics = {{"Pointwise", &kTactic},
                        {"Cast", &kTactic},
                        {"QuantizeLinear", &kTactic},
                        {"DequantizeLinear", &kTactic}};
  for (const PointwiseFunction& function : pointwise_functions()) {
    const bool listed = std::any_of(tactics.begin(), tactics.end(),
                                    [&](const auto& entry) { return entry.first == function.op; });
    if (!listed) tactics.emplace_back(function.op, &kTactic);
  }
  return tactics;
}

}  // namespace penstock::ops
