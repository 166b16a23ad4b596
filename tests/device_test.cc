// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The public API of devices, on the CPU. tests/gpu_test.cc has the GPU's.
#include <gmock/gmock.h>
#include <penstock/penstock.h>

#include <cstring>

#include "import/model_testlib.h"

namespace penstock::test {
namespace {

using testing::Each;
using testing::HasSubstr;

TEST(Device, TheCpuTellsWhatItIs) {
  const Device device = Device::open("cpu").value();
  const DeviceInfo info = device.info().value();
  EXPECT_EQ(device.name(), "cpu");
  EXPECT_EQ(info.device, "cpu");
  EXPECT_TRUE(device.is_host());
  EXPECT_FALSE(info.instruction_set.empty());
  EXPECT_GT(info.total_memory, info.free_memory);
  EXPECT_GT(info.free_memory, 0U);
  EXPECT_EQ(Device::list().front(), "cpu");
}

TEST(Device, CopiesInTheOrderOfAStream) {
  const Device device = Device::open("cpu").value();
  Stream stream = device.create_stream(1).value();
  Buffer a = device.allocate(100).value();
  const Buffer b = std::move(a);
  const Buffer c = device.allocate_host(100).value();
  EXPECT_EQ(a.data(), nullptr);
  const std::vector<char> in(100, 3);
  std::vector<char> out(100);
  ASSERT_TRUE(device.copy_in(b.data(), in.data(), 100, stream).is_ok());
  ASSERT_TRUE(device.copy_within(c.data(), b.data(), 100, stream).is_ok());
  ASSERT_TRUE(device.fill(c.data(), 4, 10, stream).is_ok());
  ASSERT_TRUE(device.copy_out(out.data(), c.data(), 100, stream).is_ok());
  ASSERT_TRUE(stream.synchronize().is_ok());
  EXPECT_TRUE(stream.is_done().value());
  EXPECT_THAT(std::span(out).first(10), Each(4));
  EXPECT_THAT(std::span(out).subspan(10), Each(3));
  EXPECT_THAT(device.copy_in(nullptr, in.data(), 1, stream).message(), HasSubstr("null"));
  EXPECT_TRUE(device.copy_in(nullptr, nullptr, 0, stream).is_ok());
}

// A stream waits for the point that an event had when it was asked to, wherever that goes later.
TEST(Device, StreamsWaitForEventsThreads) {
  const Device device = Device::open("cpu").value();
  Stream first = device.create_stream(1).value();
  Stream second = device.create_stream(1).value();
  Event event = device.create_event().value();
  EXPECT_TRUE(event.is_reached().value());
  std::vector<char> from(1 << 14);
  std::vector<char> to(from.size());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(device.fill(from.data(), static_cast<uint8_t>(i), from.size(), first).is_ok());
    ASSERT_TRUE(event.record(first).is_ok());
    ASSERT_TRUE(second.wait_for(event).is_ok());
    ASSERT_TRUE(device.copy_out(to.data(), from.data(), to.size(), second).is_ok());
    ASSERT_TRUE(event.record(second).is_ok());
    ASSERT_TRUE(first.wait_for(event).is_ok());
  }
  ASSERT_TRUE(second.synchronize().is_ok());
  EXPECT_THAT(to, Each(19));
  EXPECT_TRUE(event.is_reached().value());
  Event later = device.create_event().value();
  EXPECT_FALSE(later.elapsed_ms(event).is_ok());
  ASSERT_TRUE(later.record(second).is_ok());
  EXPECT_GE(later.elapsed_ms(event).value(), 0);
}

TEST(Device, WhatIsNotHereIsNamed) {
  EXPECT_THAT(Device::open("tpu").status().message(), HasSubstr("no device 'tpu' here"));
  EXPECT_THAT(Device::open("cuda:x").status().message(), HasSubstr("no device 'cuda:x' here"));
  const Status none = Device::open("cuda:512").status();
  EXPECT_EQ(none.code(), StatusCode::kUnsupported);
  EXPECT_FALSE(none.message().empty());
  const Device cpu = Device::open("cpu").value();
  EXPECT_THAT(cpu.wrap_stream(nullptr).status().message(), HasSubstr("create_stream()"));
}

TEST(Device, TheEnvironmentChoosesForAuto) {
  const char* present = std::getenv("PENSTOCK_DEVICE");
  const std::string before = present == nullptr ? "" : present;
  ::setenv("PENSTOCK_DEVICE", "cpu", 1);
  EXPECT_EQ(Device::open()->name(), "cpu");
  ::setenv("PENSTOCK_DEVICE", "gpu", 1);
  EXPECT_THAT(Device::open("auto").status().message(),
              AllOf(HasSubstr("PENSTOCK_DEVICE"), HasSubstr("'gpu'")));
  EXPECT_EQ(Device::open("cpu")->name(), "cpu");
  ::setenv("PENSTOCK_DEVICE", before.c_str(), 1);
}

// Once the event is reached, the next input may be written where the last one was.
TEST(Device, InputsMayBeOverwrittenAfterTheirEventThreads) {
  const std::string model = importer::ModelBuilder()
                                .input("x", {8192})
                                .node("Add", {"x", "x"}, {"y"})
                                .output("y")
                                .bytes();
  BuildOptions options;
  options.optimization_level = 0;
  options.threads = 1;
  const BuiltPlan built =
      build_plan_in_memory(OnnxBytes{std::as_bytes(std::span<const char>(model)), "", "add"},
                           options)
          .value();
  const Engine engine = Engine::deserialize(built.plan, {"cpu"}).value();
  ExecutionContext context = engine.create_context().value();
  Stream stream = engine.device().create_stream(1).value();
  Event consumed = engine.device().create_event().value();
  ASSERT_TRUE(context.set_input_consumed_event(&consumed).is_ok());
  std::vector<float> x(8192);
  ASSERT_TRUE(context.set_tensor_address("x", x.data()).is_ok());
  std::vector<std::vector<float>> results(8, std::vector<float>(8192));
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(consumed.wait().is_ok());
    std::fill(x.begin(), x.end(), static_cast<float>(i));
    ASSERT_TRUE(context.set_tensor_address("y", results[i].data()).is_ok());
    ASSERT_TRUE(context.enqueue(stream).is_ok());
  }
  ASSERT_TRUE(context.wait().is_ok());
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_THAT(results[i], Each(2 * static_cast<float>(i)));
  }
  ASSERT_TRUE(context.run().is_ok());
  EXPECT_TRUE(consumed.wait().is_ok());
}

}  // namespace
}  // namespace penstock::test
