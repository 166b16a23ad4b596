// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Plans whose nodes run on two devices, one of which stands for a GPU.
#include <gmock/gmock.h>

#include "coded_device.h"
#include "compiler/lower.h"
#include "compiler/profile.h"
#include "import/import.h"
#include "import/model_testlib.h"
#include "passes/pipeline.h"
#include "runtime/context_state.h"
#include "tune/layout_choice.h"

namespace penstock::test {
namespace {

using importer::ModelBuilder;
using testing::ElementsAre;

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
  ASSERT_TRUE(context.own_stream().synchronize().is_ok());
  EXPECT_THAT(y, ElementsAre(8, 64));
  device.deallocate(x_there, 8);
  device.deallocate(y_there, 8);
}

// The root is the host's: what it reads and writes may be on the device all the same.
TEST(MixedDevices, AddressesOfTheHostsStepsMayBeOnTheDevice) {
  const Mixed mixed(ModelBuilder().input("x", {"n"}).node("Sqrt", {"x"}, {"y"}).output("y"));
  EXPECT_EQ(mixed.count("runtime.transfer"), 0);
  runtime::ContextState context = mixed.context();
  CodedBackend& device = mixed.device();
  const std::vector<float> x = {4, 9};
  std::vector<float> y(2);
  void* x_there = device.allocate(8);
  void* y_there = device.allocate(8);
  ASSERT_TRUE(device.copy_in(x_there, x.data(), 8, context.own_stream()).is_ok());
  ASSERT_TRUE(context.set_input_shape("x", {2}).is_ok());
  ASSERT_TRUE(context.set_address("x", x_there).is_ok());
  ASSERT_TRUE(context.set_address("y", y_there).is_ok());
  const Status status = context.run(context.own_stream());
  ASSERT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(context.output("y")->data, y_there);
  ASSERT_TRUE(device.copy_out(y.data(), y_there, 8, context.own_stream()).is_ok());
  ASSERT_TRUE(context.own_stream().synchronize().is_ok());
  EXPECT_THAT(y, ElementsAre(2, 3));
  const Result<Value> copy = context.output_value("y");
  ASSERT_TRUE(copy.is_ok()) << copy.status().message();
  EXPECT_THAT(copy->tensor().as<float>(), ElementsAre(2, 3));
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
