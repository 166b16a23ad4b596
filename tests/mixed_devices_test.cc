// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Plans whose nodes run on two devices, on a device that stands for a GPU: what lies in its memory
// is in a code, so that whoever reads it without a transfer gets wrong numbers.
#include <gmock/gmock.h>

#include <map>

#include "backends/cpu/cpu_stream.h"
#include "compiler/lower.h"
#include "compiler/profile.h"
#include "import/import.h"
#include "import/model_testlib.h"
#include "ir/storage.h"
#include "ops/cpu_tactics.h"
#include "passes/pipeline.h"
#include "runtime/context_state.h"
#include "tune/layout_choice.h"

namespace penstock::test {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Operand;
using backends::TensorView;
using importer::ModelBuilder;
using testing::ElementsAre;

void recode(void* to, const void* from, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    static_cast<std::byte*>(to)[i] = static_cast<const std::byte*>(from)[i] ^ std::byte{0x5A};
  }
}

// A kernel of the host on tensors in code.
class CodedKernel : public Kernel {
 public:
  CodedKernel(std::unique_ptr<Kernel> kernel, NodeFacts node)
      : kernel_(std::move(kernel)), node_(std::move(node)) {}

  Status run(KernelRun& run) const override {
    Decoded decoded(run, node_);
    PENSTOCK_RETURN_IF_ERROR(kernel_->run(decoded));
    decoded.encode();
    return Status::ok();
  }

 private:
  class Decoded : public KernelRun {
   public:
    Decoded(KernelRun& run, const NodeFacts& node) : run_(run), node_(node) {
      memory_.resize(run.input_count() + run.output_count());
      for (size_t i = 0; i < run.input_count(); ++i) {
        inputs_.push_back(run.input(i));
        if (!run.has_input(i)) continue;
        memory_[i].resize(
            ir::storage_bytes(inputs_[i].dtype, *inputs_[i].shape, ir::Layout::kPlain));
        recode(memory_[i].data(), inputs_[i].data, memory_[i].size());
        inputs_[i].data = memory_[i].data();
      }
    }
    const TensorView& input(size_t i) const override { return inputs_[i]; }
    bool has_input(size_t i) const override { return run_.has_input(i); }
    bool has_output(size_t i) const override { return run_.has_output(i); }
    size_t input_count() const override { return run_.input_count(); }
    size_t output_count() const override { return run_.output_count(); }
    Result<TensorView> output(size_t i, const Shape& shape) override {
      PENSTOCK_ASSIGN_OR_RETURN(TensorView y, run_.output(i, shape));
      std::vector<std::byte>& plain = memory_[inputs_.size() + i];
      plain.resize(ir::storage_bytes(y.dtype, shape, ir::Layout::kPlain));
      coded_.emplace_back(y.data, &plain);
      y.data = plain.data();
      return y;
    }
    void* workspace() const override { return run_.workspace(); }
    backends::KernelState* state() const override { return nullptr; }
    backends::Stream& stream() const override { return run_.stream(); }
    ObjectPool& objects() override { return run_.objects(); }
    Status run_region(size_t, const std::vector<TensorView>&, std::vector<TensorView>&) override {
      return {StatusCode::kInternal, node_.op + " has no body here"};
    }
    void encode() {
      for (auto& [to, plain] : coded_) recode(to, plain->data(), plain->size());
    }

   private:
    KernelRun& run_;
    const NodeFacts& node_;
    std::vector<TensorView> inputs_;
    std::vector<std::vector<std::byte>> memory_;
    std::vector<std::pair<void*, std::vector<std::byte>*>> coded_;
  };

  std::unique_ptr<Kernel> kernel_;
  NodeFacts node_;
};

class CodedTactic : public backends::Tactic {
 public:
  explicit CodedTactic(const std::string& op)
      : name_("coded." + op), host_(ops::cpu_backend()->find_tactic("reference." + op)) {}
  std::string_view name() const override { return name_; }
  backends::Offer offer(const NodeFacts& node) const override {
    return backends::Offer::plain(node);
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<Kernel> kernel, host_->bind(node));
    return std::unique_ptr<Kernel>(std::make_unique<CodedKernel>(std::move(kernel), node));
  }

 private:
  std::string name_;
  const backends::Tactic* host_;
};

class CodedSource : public backends::TacticSource {
 public:
  std::string_view name() const override { return "coded"; }
  std::vector<const backends::Tactic*> tactics_for(std::string_view op) const override {
    const backends::Tactic* tactic = find("coded." + std::string(op));
    return tactic == nullptr ? std::vector<const backends::Tactic*>() : std::vector{tactic};
  }
  const backends::Tactic* find(std::string_view tactic) const override {
    for (const CodedTactic* known : {&add_, &mul_, &copy_}) {
      if (known->name() == tactic) return known;
    }
    return nullptr;
  }

 private:
  CodedTactic add_{"Add"};
  CodedTactic mul_{"Mul"};
  CodedTactic copy_{"Copy"};
};

class CodedBackend : public backends::Backend {
 public:
  std::string_view name() const override { return "coded"; }
  std::string fingerprint() const override { return "coded"; }
  std::string instruction_set() const override { return "coded"; }
  bool supports_instruction_set(std::string_view name) const override { return name == "coded"; }
  void* allocate(size_t bytes) override {
    auto* memory = new std::byte[bytes];
    blocks_[memory] = bytes;
    return memory;
  }
  void deallocate(void* memory, size_t) override {
    blocks_.erase(static_cast<std::byte*>(memory));
    delete[] static_cast<std::byte*>(memory);
  }
  void* allocate_staging(size_t bytes) override { return ::operator new(bytes); }
  void deallocate_staging(void* memory, size_t) override { ::operator delete(memory); }
  Status copy_in(void* device, const void* host, size_t bytes, backends::Stream&) override {
    EXPECT_TRUE(can_reach(device) && !can_reach(host));
    recode(device, host, bytes);
    return Status::ok();
  }
  Status copy_out(void* host, const void* device, size_t bytes, backends::Stream&) override {
    EXPECT_TRUE(can_reach(device) && !can_reach(host));
    recode(host, device, bytes);
    return Status::ok();
  }
  bool is_host_memory() const override { return false; }
  bool can_reach(const void* address) const override {
    const auto* at = static_cast<const std::byte*>(address);
    auto after = blocks_.upper_bound(const_cast<std::byte*>(at));
    if (after == blocks_.begin()) return false;
    --after;
    return at < after->first + after->second;
  }
  Result<std::unique_ptr<backends::Stream>> create_stream(int) override {
    return std::unique_ptr<backends::Stream>(std::make_unique<backends::CpuStream>(1));
  }
  std::unique_ptr<backends::Event> create_event() override { return nullptr; }
  const std::vector<const backends::TacticSource*>& tactic_sources() const override {
    return sources_;
  }

 private:
  std::map<std::byte*, size_t> blocks_;
  CodedSource source_;
  std::vector<const backends::TacticSource*> sources_ = {&source_};
};

// A model built for the coded device and the host.
class Mixed {
 public:
  explicit Mixed(const ModelBuilder& model) {
    const Status status = build(model);
    EXPECT_TRUE(status.is_ok()) << status.message();
  }

  // Steps of the main body by tactic.
  int count(std::string_view tactic) const {
    int found = 0;
    for (const plan::Step& step : engine_->program(0).main().steps) found += step.tactic == tactic;
    return found;
  }
  runtime::ContextState context() const {
    return runtime::ContextState(engine_, *device_->create_stream(1),
                                 *ops::cpu_backend()->create_stream(1), {});
  }
  CodedBackend& device() const { return *device_; }

 private:
  Status build(const ModelBuilder& model) {
    const std::string bytes = model.bytes();
    PENSTOCK_ASSIGN_OR_RETURN(
        ir::Graph graph, importer::import_onnx_from_memory(std::as_bytes(std::span(bytes)), "."));
    passes::PipelineOptions pipeline;
    pipeline.fuse = false;
    PENSTOCK_RETURN_IF_ERROR(passes::run_pipeline(graph, pipeline));
    PENSTOCK_ASSIGN_OR_RETURN(const OptimizationProfile profile,
                              compiler::complete_profile(graph, {}));
    tune::TuneOptions options;
    options.level = 0;
    PENSTOCK_ASSIGN_OR_RETURN(options.symbols, compiler::opt_symbols(graph, profile));
    PENSTOCK_ASSIGN_OR_RETURN(tune::TimingCache cache, tune::TimingCache::load(""));
    tune::Tuner tuner(*device_, *ops::cpu_backend(), cache, options);
    PENSTOCK_RETURN_IF_ERROR(tuner.add(graph.main, false));
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<size_t> choice,
                              tune::LayoutChoice(tuner, graph.main).solve());
    compiler::ConstantPool constants;
    PENSTOCK_ASSIGN_OR_RETURN(compiler::Lowered lowered,
                              compiler::lower(graph, tuner, choice, options.symbols, 1, constants));
    lowered.program.profile = profile;
    plan::Contents contents;
    contents.backend = "coded";
    contents.instruction_set = "coded";
    contents.programs.push_back(std::move(lowered.program));
    PENSTOCK_ASSIGN_OR_RETURN(Plan plan, plan::make_plan(contents, "{}", constants.constants()));
    PENSTOCK_ASSIGN_OR_RETURN(plan::PlanFile file, plan::PlanFile::from_memory(std::move(plan)));
    PENSTOCK_ASSIGN_OR_RETURN(
        engine_, runtime::EngineState::create(std::move(file), device_, ops::cpu_backend()));
    return Status::ok();
  }

  std::shared_ptr<CodedBackend> device_ = std::make_shared<CodedBackend>();
  std::shared_ptr<runtime::EngineState> engine_;
};

std::vector<float> run(runtime::ContextState& context, std::vector<float> x,
                       std::string_view output = "y") {
  EXPECT_TRUE(context.set_input_shape("x", {static_cast<int64_t>(x.size())}).is_ok());
  EXPECT_TRUE(context.set_address("x", x.data()).is_ok());
  const Status status = context.run(context.own_stream());
  EXPECT_TRUE(status.is_ok()) << status.message();
  const auto view = context.output(output);
  EXPECT_TRUE(view.is_ok()) << view.status().message();
  if (!status.is_ok() || !view.is_ok()) return {};
  const auto* y = static_cast<const float*>(view->data);
  return {y, y + element_count(view->shape)};
}

// y = sqrt(x + x) * (x + x): the root is the host's.
ModelBuilder root_model() {
  return ModelBuilder()
      .input("x", {"n"})
      .node("Add", {"x", "x"}, {"twice"})
      .node("Sqrt", {"twice"}, {"root"})
      .node("Mul", {"root", "twice"}, {"y"})
      .output("y");
}

TEST(MixedDevices, TransfersStandBetweenThem) {
  const Mixed mixed(root_model());
  EXPECT_EQ(mixed.count("coded.Add"), 1);
  EXPECT_EQ(mixed.count("coded.Mul"), 1);
  EXPECT_EQ(mixed.count("runtime.transfer"), 2);
  runtime::ContextState context = mixed.context();
  EXPECT_THAT(run(context, {2, 8}), ElementsAre(8, 64));
  EXPECT_THAT(run(context, {18}), ElementsAre(216));
  EXPECT_THAT(run(context, {2, 8, 2}), ElementsAre(8, 64, 8));
}

TEST(MixedDevices, AddressesMayBeOnTheDevice) {
  const Mixed mixed(root_model());
  runtime::ContextState context = mixed.context();
  const std::vector<float> x = {2, 8};
  std::vector<float> y(2);
  CodedBackend& device = mixed.device();
  void* x_there = device.allocate(8);
  void* y_there = device.allocate(8);
  ASSERT_TRUE(device.copy_in(x_there, x.data(), 8, context.own_stream()).is_ok());
  ASSERT_TRUE(context.set_input_shape("x", {2}).is_ok());
  ASSERT_TRUE(context.set_address("x", x_there).is_ok());
  ASSERT_TRUE(context.set_address("y", y_there).is_ok());
  ASSERT_TRUE(context.run(context.own_stream()).is_ok());
  EXPECT_EQ(context.output("y")->data, y_there);
  ASSERT_TRUE(device.copy_out(y.data(), y_there, 8, context.own_stream()).is_ok());
  EXPECT_THAT(y, ElementsAre(8, 64));
  device.deallocate(x_there, 8);
  device.deallocate(y_there, 8);
}

TEST(MixedDevices, WhatDependsOnDataStaysOnTheHost) {
  const Mixed mixed(ModelBuilder()
                        .input("x", {"n"})
                        .node("Add", {"x", "x"}, {"twice"})
                        .node("NonZero", {"twice"}, {"places"})
                        .node("Cast", {"places"}, {"numbers"}, {{"to", int64_t{1}}})
                        .node("Mul", {"numbers", "numbers"}, {"y"})
                        .output("y"));
  EXPECT_EQ(mixed.count("coded.Add"), 1);
  EXPECT_EQ(mixed.count("coded.Mul"), 0);
  runtime::ContextState context = mixed.context();
  EXPECT_THAT(run(context, {1, 0, 0, 5}), ElementsAre(0, 9));
  EXPECT_THAT(run(context, {0, 0, 3}), ElementsAre(4));
}

TEST(MixedDevices, AStepWhoseOperandsAreElsewhereIsRefused) {
  plan::Contents contents;
  contents.backend = "coded";
  contents.instruction_set = "coded";
  plan::Program program;
  program.slots.resize(2);
  for (plan::Slot& slot : program.slots) {
    slot.dtype = DataType::kFloat32;
    slot.shape = {2};
  }
  program.slots[0].name = "x";
  program.slots[0].kind = plan::Slot::Kind::kInput;
  program.slots[1].name = "y";
  program.slots[1].on_device = true;
  plan::Step step;
  step.op = "Add";
  step.name = "add";
  step.tactic = "coded.Add";
  step.inputs = {0, 0};
  step.outputs = {1};
  program.bodies = {{{0}, {1}, {step}}};
  contents.programs = {program};
  const auto open = [](const plan::Contents& c) {
    return runtime::EngineState::create(*plan::PlanFile::from_memory(*plan::make_plan(c, "{}", {})),
                                        std::make_shared<CodedBackend>(), ops::cpu_backend())
        .status();
  };
  EXPECT_THAT(open(contents).message(), testing::HasSubstr("cannot reach"));
  contents.programs[0].slots[0].on_device = true;
  EXPECT_TRUE(open(contents).is_ok()) << open(contents).message();
}

}  // namespace
}  // namespace penstock::test
