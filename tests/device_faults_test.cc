// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// A device that is lost, that is full, and addresses of another: on the stand-in for a GPU.
#include <gmock/gmock.h>

#include "mixed_model.h"
#include "tune/measure.h"

namespace penstock::test {
namespace {

using importer::ModelBuilder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

ModelBuilder sum_model() {
  return ModelBuilder()
      .input("x", {"n"})
      .node("Add", {"x", "x"}, {"twice"})
      .node("Mul", {"twice", "x"}, {"y"})
      .output("y");
}

TEST(DeviceFaults, EveryCallSaysAtOnceThatTheDeviceIsLost) {
  const Mixed mixed(sum_model());
  runtime::ContextState context = mixed.context();
  std::vector<float> x = {1, 2};
  EXPECT_THAT(run(context, x), ElementsAre(2, 8));
  mixed.device().lose();
  const std::shared_ptr<backends::Stream> stream = *mixed.device().create_stream(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(context.run(context.own_stream()).code(), StatusCode::kDeviceLost);
    EXPECT_EQ(context.enqueue(stream).code(), StatusCode::kDeviceLost);
    EXPECT_EQ(mixed.device().allocate(8, backends::MemoryUse::kBuffers).status().code(),
              StatusCode::kDeviceLost);
    EXPECT_EQ(mixed.device().allocate_staging(8).status().code(), StatusCode::kDeviceLost);
  }
  EXPECT_THAT(context.run(context.own_stream()).message(), HasSubstr("start it again"));
}

// What the device refuses once it is lost must not be taken for tactics that do not work: all of
// the plan would be the CPU's.
TEST(DeviceFaults, ALostDeviceEndsTheBuild) {
  CodedBackend device;
  ir::Graph graph;
  ir::Value* x = graph.add_value("x", DataType::kFloat32, {16});
  ir::Value* y = graph.add_value("y", DataType::kFloat32, {16});
  graph.main.inputs = {x};
  graph.main.outputs = {y};
  ir::Node& node = graph.main.nodes.emplace_back();
  node.op = "Add";
  node.name = "sum";
  node.inputs = {x, x};
  node.outputs = {y};
  tune::TuneOptions options;
  tune::TimingCache cache = *tune::TimingCache::load("");
  tune::Tuner tuner(device, *ops::cpu_backend(), cache, options);
  device.lose();
  const Status status = tuner.add(graph.main, false);
  EXPECT_EQ(status.code(), StatusCode::kDeviceLost) << status.message();
  EXPECT_THAT(status.message(), HasSubstr("node 'sum'"));
}

TEST(DeviceFaults, AFullDeviceFailsARunAndNoMore) {
  const Mixed mixed(sum_model());
  runtime::ContextState context = mixed.context();
  EXPECT_THAT(run(context, {1, 2}), ElementsAre(2, 8));
  mixed.device().set_capacity(1 << 16);
  std::vector<float> large(1 << 20, 1.0f);
  ASSERT_TRUE(context.set_input_shape("x", {1 << 20}).is_ok());
  ASSERT_TRUE(context.set_address("x", large.data()).is_ok());
  const Status status = context.run(context.own_stream());
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("coded:0 has no memory for 4 MiB"),
                                      HasSubstr("this process holds"), HasSubstr("are free")));
  EXPECT_THAT(run(context, {3}), ElementsAre(18));
}

TEST(DeviceFaults, ATacticThatDoesNotFitIsNotTaken) {
  CodedBackend device;
  device.memory_budget().set_limit(1024);
  backends::NodeFacts node;
  node.op = "Add";
  backends::Operand tensor;
  tensor.present = true;
  tensor.dtype = DataType::kFloat32;
  tensor.shape = {1024};
  node.inputs = {tensor, tensor};
  node.outputs = {tensor};
  tune::Streams streams(1);
  streams[0] = *device.create_stream(1);
  const Result<double> time =
      tune::measure(device, *device.find_tactic("coded.Add"), node, streams, {});
  EXPECT_EQ(time.status().code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(time.status().message(), HasSubstr("of tuning"));
  EXPECT_EQ(device.memory_budget().figures().held, 0U);
  device.memory_budget().set_limit(0);
  EXPECT_TRUE(tune::measure(device, *device.find_tactic("coded.Add"), node, streams, {}).is_ok());
}

TEST(DeviceFaults, CopiesOfAKernelAreTimedSideBySide) {
  CodedBackend device;
  backends::NodeFacts node;
  node.op = "Add";
  backends::Operand tensor;
  tensor.present = true;
  tensor.dtype = DataType::kFloat32;
  tensor.shape = {64};
  node.inputs = {tensor, tensor};
  node.outputs = {tensor};
  for (backends::Backend* backend :
       {static_cast<backends::Backend*>(&device), ops::cpu_backend().get()}) {
    tune::Streams streams(3);
    for (auto& stream : streams) stream = *backend->create_stream(1);
    const auto tactics = backend->tactic_sources().back()->tactics_for("Add");
    ASSERT_FALSE(tactics.empty());
    tune::MeasureOptions options;
    options.target_ms = 1;
    const Result<double> time = tune::measure(*backend, *tactics[0], node, streams, options);
    ASSERT_TRUE(time.is_ok()) << time.status().message();
    EXPECT_GT(*time, 0);
  }
  EXPECT_EQ(device.memory_budget().figures().held, 0U);
  EXPECT_GT(device.memory_budget().figures().peak, 0U);
}

TEST(DeviceFaults, AnAddressOfAnotherDeviceIsRefused) {
  const Mixed mixed(sum_model());
  runtime::ContextState context = mixed.context();
  std::vector<float> x = {1, 2};
  mixed.device().add_foreign(x.data());
  ASSERT_TRUE(context.set_input_shape("x", {2}).is_ok());
  ASSERT_TRUE(context.set_address("x", x.data()).is_ok());
  const Status status = context.run(context.own_stream());
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("input 'x'"), HasSubstr("memory of coded:7")));
}

}  // namespace
}  // namespace penstock::test
