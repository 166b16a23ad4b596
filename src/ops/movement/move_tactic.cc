// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/move_tactic.h"

#include "backends/cpu/cpu_stream.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;
using ir::Layout;

alignas(16) constexpr std::byte kZeroElement[16] = {};

class MoveKernel : public Kernel {
 public:
  MoveKernel(MovePlan plan, size_t element_bytes)
      : outputs_(std::move(plan.outputs)), size_(static_cast<int64_t>(element_bytes)) {
    for (MoveStep& step : plan.steps) {
      StridedCopy copy(element_bytes, std::move(step.move));
      if (copy.bytes() > 0) {
        steps_.push_back({step.input, step.output, step.x_offset, step.y_offset, std::move(copy)});
      }
    }
  }

  Status run(KernelRun& run) const override {
    const ThreadTeam& team = backends::team_of(run.stream());
    // Steps stand in the order of outputs.
    size_t next = 0;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (!run.has_output(i)) continue;
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(i, outputs_[i]));
      while (next < steps_.size() && steps_[next].output < i) ++next;
      for (; next < steps_.size() && steps_[next].output == i; ++next) {
        const Step& step = steps_[next];
        const std::byte* x = source(run, step, y);
        step.copy.run(x + step.x_offset * size_, y.as<std::byte>() + step.y_offset * size_, team);
      }
    }
    return Status::ok();
  }

 private:
  struct Step {
    int input;
    size_t output;
    int64_t x_offset;
    int64_t y_offset;
    StridedCopy copy;
  };

  static const std::byte* source(const KernelRun& run, const Step& step, const TensorView& y) {
    if (step.input == MoveStep::kZeros) return kZeroElement;
    if (step.input == MoveStep::kOutput) return y.as<const std::byte>();
    return run.input(static_cast<size_t>(step.input)).as<const std::byte>();
  }

  std::vector<Shape> outputs_;
  std::vector<Step> steps_;
  int64_t size_;
};

bool is_movable(const NodeFacts& node) {
  const size_t size = size_of(node.inputs[0].dtype);
  return size == 1 || size == 2 || size == 4 || size == 8;
}

NodeFacts in_layouts(NodeFacts node, Layout input, Layout output) {
  for (backends::Operand& operand : node.inputs) {
    operand.layout = operand.shape.size() > 2 ? input : Layout::kPlain;
  }
  for (backends::Operand& operand : node.outputs) operand.layout = output;
  return node;
}

Form form_of(const NodeFacts& node) {
  Form form;
  for (const backends::Operand& operand : node.inputs) form.inputs.push_back(operand.layout);
  for (const backends::Operand& operand : node.outputs) form.outputs.push_back(operand.layout);
  return form;
}

// A layout other than plain needs a channel axis and another one behind it.
bool has_channels(const NodeFacts& node) {
  return node.inputs[0].shape.size() > 2 && node.inputs[0].shape.size() < 6;
}

}  // namespace

void MovePlan::add(int input, size_t output, PlacedMove placed) {
  steps.push_back({input, output, placed.x_offset, placed.y_offset, std::move(placed.move)});
}

Offer MoveTactic::offer(const NodeFacts& node) const {
  if (!is_movable(node)) return Offer::refuse("moves elements of 1, 2, 4 or 8 bytes");
  const Result<MovePlan> plain = planner_(in_layouts(node, Layout::kPlain, Layout::kPlain));
  if (!plain.is_ok()) return Offer::refuse(plain.status().message());
  Offer offer = Offer::plain(node);
  for (Layout layout : layouts_) {
    if (!has_channels(node)) break;
    const NodeFacts facts = in_layouts(node, layout, layout);
    if (planner_(facts).is_ok()) offer.forms.push_back(form_of(facts));
  }
  return offer;
}

Offer FreeLayoutTactic::offer(const NodeFacts& node) const {
  Offer offer = MoveTactic::offer(node);
  if (offer.forms.empty() || node.inputs[0].shape.size() != 4 ||
      node.outputs[0].shape.size() != 4) {
    return offer;
  }
  for (const auto& [input, output] : {std::pair{Layout::kPlain, Layout::kChannelsLast},
                                      std::pair{Layout::kChannelsLast, Layout::kPlain}}) {
    const NodeFacts facts = in_layouts(node, input, output);
    if (planner_(facts).is_ok()) offer.forms.push_back(form_of(facts));
  }
  return offer;
}

Result<std::unique_ptr<Kernel>> MoveTactic::bind(const NodeFacts& node) const {
  PENSTOCK_ASSIGN_OR_RETURN(MovePlan plan, planner_(node));
  return std::unique_ptr<Kernel>(
      std::make_unique<MoveKernel>(std::move(plan), size_of(node.inputs[0].dtype)));
}

Status need_attributes(const NodeFacts& node,
                       std::initializer_list<std::pair<size_t, std::string_view>> parameters) {
  for (const auto& [input, name] : parameters) {
    if (!node.has_input(input) || node.inputs[input].data != nullptr || node.attributes.has(name)) {
      continue;
    }
    return {StatusCode::kUnsupported, std::string(name) + " is known at the run only"};
  }
  return Status::ok();
}

}  // namespace penstock::ops
