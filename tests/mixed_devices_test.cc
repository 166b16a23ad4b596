// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Plans whose nodes run on two devices, one of which stands for a GPU.
#include <gmock/gmock.h>

#include "mixed_model.h"

namespace penstock::test {
namespace {

using importer::ModelBuilder;
using testing::ElementsAre;

constexpr auto kBuffers = backends::MemoryUse::kBuffers;

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
  void* x_there = device.allocate(8, kBuffers).value();
  void* y_there = device.allocate(8, kBuffers).value();
  ASSERT_TRUE(device.copy_in(x_there, x.data(), 8, context.own_stream()).is_ok());
  ASSERT_TRUE(context.set_input_shape("x", {2}).is_ok());
  ASSERT_TRUE(context.set_address("x", x_there).is_ok());
  ASSERT_TRUE(context.set_address("y", y_there).is_ok());
  ASSERT_TRUE(context.run(context.own_stream()).is_ok());
  EXPECT_EQ(context.output("y")->data, y_there);
  ASSERT_TRUE(device.copy_out(y.data(), y_there, 8, context.own_stream()).is_ok());
  ASSERT_TRUE(context.own_stream().synchronize().is_ok());
  EXPECT_THAT(y, ElementsAre(8, 64));
  device.deallocate(x_there, 8, kBuffers);
  device.deallocate(y_there, 8, kBuffers);
}

// The root is the host's: what it reads and writes may be on the device all the same.
TEST(MixedDevices, AddressesOfTheHostsStepsMayBeOnTheDevice) {
  const Mixed mixed(ModelBuilder().input("x", {"n"}).node("Sqrt", {"x"}, {"y"}).output("y"));
  EXPECT_EQ(mixed.count("runtime.transfer"), 0);
  runtime::ContextState context = mixed.context();
  CodedBackend& device = mixed.device();
  const std::vector<float> x = {4, 9};
  std::vector<float> y(2);
  void* x_there = device.allocate(8, kBuffers).value();
  void* y_there = device.allocate(8, kBuffers).value();
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
  device.deallocate(x_there, 8, kBuffers);
  device.deallocate(y_there, 8, kBuffers);
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
