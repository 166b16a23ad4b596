// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/late.h"

#include <algorithm>

#include "ir/graph.h"
#include "ir/storage.h"
#include "runtime/bind_kernel.h"

namespace penstock::runtime {

using backends::TensorView;
using plan::DimTable;
using plan::Slot;

namespace {

constexpr size_t kMostKernelsPerStep = 8;

}  // namespace

// The operands of one late step during one run.
class LateRunner::Frame final : public backends::KernelRun, public backends::MemoryLimit {
 public:
  Frame(LateRunner& runner, const StepCode& code) : runner_(runner), code_(code) {}

  Status gather() {
    const plan::Program& program = runner_.state_.program();
    inputs_.resize(code_.step->inputs.size());
    shapes_.resize(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const int slot = code_.step->inputs[i];
      if (slot < 0) continue;
      PENSTOCK_ASSIGN_OR_RETURN(shapes_[i], runner_.shape_of(slot));
      inputs_[i] = {program.slots[slot].dtype, program.slots[slot].layout, &shapes_[i],
                    runner_.data_of(slot)};
    }
    return Status::ok();
  }

  const TensorView& input(size_t i) const override { return inputs_[i]; }
  bool has_input(size_t i) const override {
    return i < inputs_.size() && inputs_[i].shape != nullptr;
  }
  bool has_output(size_t i) const override {
    return i < code_.step->outputs.size() && code_.step->outputs[i] >= 0;
  }
  size_t input_count() const override { return inputs_.size(); }
  size_t output_count() const override { return code_.step->outputs.size(); }
  Result<TensorView> output(size_t i, const Shape& shape) override {
    return runner_.allocate(code_.step->outputs[i], shape);
  }
  void* workspace() const override { return workspace_memory_; }
  backends::KernelState* state() const override { return kernel_state_; }
  backends::Stream& stream() const override { return *runner_.stream_; }
  ObjectPool& objects() override { return runner_.context_.objects(); }
  Status hold_memory(int64_t bytes) override { return runner_.context_.hold_memory(bytes); }
  Status run_region(size_t i, const std::vector<TensorView>& inputs,
                    std::vector<TensorView>& outputs) override {
    const bool iterates = code_.step->op != "If";
    if (iterates) PENSTOCK_RETURN_IF_ERROR(runner_.context_.count_iteration());
    return runner_.run_body(code_.step->bodies[i], inputs, outputs);
  }

  const Shape& shape(size_t i) const { return shapes_[i]; }

 private:
  friend class LateRunner;
  LateRunner& runner_;
  const StepCode& code_;
  std::vector<TensorView> inputs_;
  std::vector<Shape> shapes_;
  void* workspace_memory_ = nullptr;
  backends::KernelState* kernel_state_ = nullptr;
};

LateRunner::LateRunner(ContextState& context)
    : context_(context),
      state_(context.program()),
      values_(state_.program().slots.size()),
      learned_(state_.program().bodies.size()),
      workspace_(state_.host(), context.memory(), backends::MemoryUse::kScratch) {}

LateRunner::~LateRunner() = default;

void LateRunner::begin(backends::Stream& stream) {
  stream_ = &stream;
  symbols_ = context_.binding().symbols;
  for (Value& value : values_) value.known = false;
  for (std::vector<int>& symbols : learned_) symbols.clear();
}

Result<Shape> LateRunner::shape_of(int slot) const {
  if (values_[slot].known) return values_[slot].shape;
  Shape shape;
  for (int dim : state_.slot_dims()[slot]) {
    const int64_t extent = state_.dims().evaluate(dim, symbols_);
    if (extent < 0) {
      return Status(StatusCode::kInternal,
                    "the shape of '" + state_.program().slots[slot].name + "' is not known yet");
    }
    shape.push_back(extent);
  }
  if (const int root = state_.root_of(slot); root != slot) {
    PENSTOCK_ASSIGN_OR_RETURN(const Shape root_shape, shape_of(root));
    PENSTOCK_RETURN_IF_ERROR(state_.check_view(slot, shape, root_shape));
  }
  return shape;
}

void* LateRunner::data_of(int slot) const {
  const int root = state_.root_of(slot);
  return values_[root].known ? values_[root].data : context_.address_of(root);
}

void LateRunner::release_memory() {
  for (Value& value : values_) value = {};
  free_.clear();
  workspace_.release();
}

void LateRunner::recycle(int index, const StepCode& code) {
  constexpr size_t kLeastBytes = 64 << 10;  // small ones cost less than the search for another
  for (const auto* list : {&code.step->inputs, &code.step->outputs}) {
    for (int slot : *list) {
      if (slot < 0) continue;
      const int root = state_.root_of(slot);
      Value& value = values_[root];
      if (state_.last_use(root) > index || value.buffer == nullptr) continue;
      if (value.buffer->capacity() < kLeastBytes) continue;
      value.known = false;
      free_.push_back(std::move(value.buffer));
    }
  }
}

// The smallest that fits; where much lies free and none does, the largest, which then grows.
std::unique_ptr<DeviceBuffer> LateRunner::take_buffer(size_t bytes) {
  constexpr size_t kMuch = 64 << 20;
  constexpr size_t kSlack = 4;  // a buffer that is more times too large shrinks
  size_t free_bytes = 0;
  auto best = free_.end();
  auto largest = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const size_t capacity = (*it)->capacity();
    free_bytes += capacity;
    if (largest == free_.end() || capacity > (*largest)->capacity()) largest = it;
    if (capacity < bytes || capacity / kSlack > bytes) continue;
    if (best == free_.end() || capacity < (*best)->capacity()) best = it;
  }
  if (best == free_.end() && free_bytes > kMuch) best = largest;
  if (best == free_.end()) {
    return std::make_unique<DeviceBuffer>(state_.host(), context_.memory(),
                                          backends::MemoryUse::kScratch);
  }
  std::unique_ptr<DeviceBuffer> taken = std::move(*best);
  free_.erase(best);
  return taken;
}

// Symbols that this shape is the first to tell get their values; extents known before must agree.
Status LateRunner::learn(int slot, const Shape& shape) {
  const Slot& facts = state_.program().slots[slot];
  const std::vector<int>& dims = state_.slot_dims()[slot];
  bool agrees = dims.size() == shape.size();
  for (size_t i = 0; agrees && i < dims.size(); ++i) {
    const int symbol = state_.dims().bare_symbol(dims[i]);
    if (symbol >= 0 && symbols_[symbol] == DimTable::kUnknown) symbols_[symbol] = shape[i];
    const int64_t planned = state_.dims().evaluate(dims[i], symbols_);
    agrees = planned == shape[i] || planned == DimTable::kUnknown;
  }
  if (agrees) return Status::ok();
  return {StatusCode::kInternal, "'" + facts.name + "' came out with shape " + to_string(shape) +
                                     ", planned was " + ir::to_string(facts.shape)};
}

Result<TensorView> LateRunner::allocate(int slot, const Shape& shape) {
  PENSTOCK_RETURN_IF_ERROR(learn(slot, shape));
  const Slot& facts = state_.program().slots[slot];
  Value& value = values_[slot];
  PENSTOCK_RETURN_IF_ERROR(
      ir::check_storage(facts.dtype, shape).with_context("'" + facts.name + "'"));
  const size_t bytes = ir::storage_bytes(facts.dtype, shape, facts.layout);
  if (OutputAllocator* allocator = context_.allocator_of(slot)) {
    value.data = allocator->allocate(facts.name, shape, bytes);
    if (value.data == nullptr && bytes > 0) {
      return Status(StatusCode::kOutOfMemory, "the output allocator gave no memory for '" +
                                                  facts.name + "' of " + std::to_string(bytes) +
                                                  " bytes");
    }
  } else {
    if (value.buffer == nullptr) value.buffer = take_buffer(bytes);
    PENSTOCK_RETURN_IF_ERROR(value.buffer->resize(bytes).with_context("'" + facts.name + "'"));
    value.data = value.buffer->data();
  }
  value.shape = shape;
  value.known = true;
  return TensorView{facts.dtype, facts.layout, &value.shape, value.data};
}

Result<const LateRunner::BoundKernel*> LateRunner::bind(const StepCode& code, const Frame& frame) {
  std::vector<int64_t> key;
  for (size_t i = 0; i < code.step->inputs.size(); ++i) {
    key.insert(key.end(), frame.shape(i).begin(), frame.shape(i).end());
    key.push_back(-1);
  }
  for (int dim : code.attribute_dims) key.push_back(state_.dims().evaluate(dim, symbols_));
  std::list<BoundKernel>& recent = kernels_[code.step];
  for (auto it = recent.begin(); it != recent.end(); ++it) {
    if (it->key != key) continue;
    recent.splice(recent.begin(), recent, it);
    return &recent.front();
  }
  BoundKernel bound;
  bound.key = std::move(key);
  bound.node = std::make_unique<backends::NodeFacts>(
      state_.facts(code, symbols_, stream_->width(), [&](int slot) {
        Result<Shape> shape = shape_of(slot);
        return shape.is_ok() ? *std::move(shape) : Shape();
      }));
  PENSTOCK_ASSIGN_OR_RETURN(bound.kernel, bind_kernel(tactic_for(code), *bound.node));
  bound.state = bound.kernel->create_state();
  recent.push_front(std::move(bound));
  if (recent.size() > kMostKernelsPerStep) recent.pop_back();
  return &recent.front();
}

// Most fast kernels are bound to their output's shape. Where nothing tells it yet, the reference
// kernel runs: it finds the shape itself.
const backends::Tactic& LateRunner::tactic_for(const StepCode& code) const {
  if (code.tactic->finds_output_shapes()) return *code.tactic;
  for (int slot : code.step->outputs) {
    if (slot < 0 || shape_of(slot).is_ok()) continue;
    const backends::Tactic* reference = state_.host().find_tactic("reference." + code.step->op);
    return reference == nullptr ? *code.tactic : *reference;
  }
  return *code.tactic;
}

Status LateRunner::run_step(const StepCode& code) {
  PENSTOCK_RETURN_IF_ERROR(context_.check_limits());
  Frame frame(*this, code);
  PENSTOCK_RETURN_IF_ERROR(frame.gather());
  PENSTOCK_ASSIGN_OR_RETURN(const BoundKernel* bound, bind(code, frame));

  if (bound->kernel->workspace_bytes() > 0) {
    PENSTOCK_RETURN_IF_ERROR(workspace_.resize(bound->kernel->workspace_bytes()));
  }
  frame.workspace_memory_ = workspace_.data();
  frame.kernel_state_ = bound->state.get();
  return run_kernel(*bound->kernel, frame);
}

void LateRunner::forget_body(int body) {
  const plan::Body& facts = state_.program().bodies[body];
  for (int slot : facts.inputs) values_[slot].known = false;
  for (const plan::Step& step : facts.steps) {
    for (int slot : step.outputs) {
      if (slot >= 0) values_[slot].known = false;
    }
  }
  for (int symbol : learned_[body]) symbols_[symbol] = DimTable::kUnknown;
  learned_[body].clear();
}

Status LateRunner::run_body(int body, const std::vector<TensorView>& inputs,
                            std::vector<TensorView>& outputs) {
  const plan::Body& facts = state_.program().bodies[body];
  if (inputs.size() != facts.inputs.size()) {
    return {StatusCode::kInternal, "a body takes " + std::to_string(facts.inputs.size()) +
                                       " inputs and was given " + std::to_string(inputs.size())};
  }
  forget_body(body);
  const std::vector<int64_t> before = symbols_;
  for (size_t i = 0; i < inputs.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(learn(facts.inputs[i], *inputs[i].shape));
    Value& value = values_[facts.inputs[i]];
    value.shape = *inputs[i].shape;
    value.data = inputs[i].data;
    value.known = true;
  }
  for (const StepCode& code : state_.steps(body)) {
    PENSTOCK_RETURN_IF_ERROR(
        run_step(code).with_context("step '" + code.step->name + "' (" + code.step->op + ")"));
  }
  // The next pass through this body finds these anew.
  for (size_t i = 0; i < symbols_.size(); ++i) {
    if (symbols_[i] != before[i]) learned_[body].push_back(static_cast<int>(i));
  }
  outputs.clear();
  for (int slot : facts.outputs) {
    Value& value = values_[slot];
    if (!value.known) {
      PENSTOCK_ASSIGN_OR_RETURN(value.shape, shape_of(slot));
    }
    const Slot& output = state_.program().slots[slot];
    outputs.push_back({output.dtype, output.layout, &value.shape, data_of(slot)});
  }
  return Status::ok();
}

}  // namespace penstock::runtime
