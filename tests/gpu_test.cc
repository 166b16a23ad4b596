// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Devices, streams of the caller, and engines on a GPU; on the stand-in where there is none.
#include <gmock/gmock.h>
#include <penstock/penstock.h>

#include <cstring>
#include <thread>

#include "gpu_fixture.h"

namespace penstock::test {
namespace {

using testing::Each;
using testing::HasSubstr;

TEST_F(Gpu, TellsWhatItIs) {
  const DeviceInfo info = device_->info().value();
  EXPECT_EQ(info.device, "cuda:0");
  EXPECT_FALSE(info.name.empty());
  EXPECT_FALSE(info.instruction_set.empty());
  EXPECT_GT(info.total_memory, 0U);
  EXPECT_LE(info.free_memory, info.total_memory);
  EXPECT_THAT(Device::list(), testing::Contains("cuda:0"));
  EXPECT_EQ(engine_->device().name(), "cuda:0");
  EXPECT_FALSE(device_->is_host());
}

TEST_F(Gpu, CopiesInTheOrderOfAStream) {
  constexpr size_t kBytes = 1 << 20;
  Stream stream = device_->create_stream().value();
  const Buffer a = device_->allocate(kBytes).value();
  const Buffer b = device_->allocate(kBytes).value();
  const Buffer host = device_->allocate_host(kBytes).value();
  auto* bytes = static_cast<uint8_t*>(host.data());
  for (size_t i = 0; i < kBytes; ++i) bytes[i] = static_cast<uint8_t>(i % 251);
  OK(device_->copy_in(a.data(), bytes, kBytes, stream));
  OK(device_->copy_within(b.data(), a.data(), kBytes, stream));
  OK(device_->fill(static_cast<uint8_t*>(b.data()) + 100, 7, 50, stream));
  std::vector<uint8_t> back(kBytes);
  OK(device_->copy_out(back.data(), b.data(), kBytes, stream));
  OK(stream.synchronize());
  EXPECT_TRUE(stream.is_done().value());
  EXPECT_THAT(std::span(back).subspan(100, 50), Each(7));
  EXPECT_EQ(std::memcmp(back.data(), bytes, 100), 0);
  EXPECT_EQ(std::memcmp(back.data() + 150, bytes + 150, kBytes - 150), 0);
}

TEST_F(Gpu, AHostPointerIsNoDeviceAddress) {
  Stream stream = device_->create_stream().value();
  const Buffer there = device_->allocate(64).value();
  const Buffer locked = device_->allocate_host(64).value();
  std::vector<float> x(16);
  EXPECT_THAT(device_->copy_in(x.data(), x.data(), 64, stream).message(),
              HasSubstr("the target is no memory of cuda:0"));
  EXPECT_THAT(device_->copy_out(x.data(), locked.data(), 64, stream).message(),
              HasSubstr("the source is no memory of cuda:0"));
  EXPECT_THAT(device_->copy_in(there.data(), nullptr, 64, stream).message(), HasSubstr("null"));
  EXPECT_TRUE(device_->can_reach(there.data()));
  EXPECT_FALSE(device_->can_reach(x.data()));
  EXPECT_FALSE(device_->can_reach(locked.data()));
  Stream other = Device::open("cpu")->create_stream(1).value();
  EXPECT_THAT(device_->copy_in(there.data(), x.data(), 64, other).message(),
              HasSubstr("the stream is of device cpu, not of cuda:0"));
  ExecutionContext context = engine_->create_context().value();
  EXPECT_THAT(context.enqueue(other).message(), HasSubstr("the engine runs on cuda:0"));
  OK(stream.synchronize());
}

TEST_F(Gpu, HostAddressesAreCopied) {
  ExecutionContext context = engine_->create_context().value();
  Stream stream = engine_->create_stream().value();
  for (const int64_t batch : {3, 1, 8}) {
    std::vector<float> x = numbers(batch, 1);
    std::vector<float> y(x.size());
    OK(context.set_input_shape("x", {batch, kWidth}));
    OK(context.set_tensor_address("x", x.data()));
    OK(context.set_tensor_address("y", y.data()));
    OK(context.run());
    expect_near(y.data(), batch, 1);
    std::fill(y.begin(), y.end(), 0.0f);
    OK(context.enqueue(stream));
    OK(context.wait());
    OK(stream.synchronize());
    expect_near(y.data(), batch, 1);
  }
}

TEST_F(Gpu, RunsAreTimedAndTellWhetherTheyWereReplayed) {
  ExecutionContext context = engine_->create_context().value();
  context.set_run_timing(true);
  const auto runs_at = [&](std::vector<float>& x, std::vector<float>& y) {
    OK(context.set_input_shape("x", {2, kWidth}));
    OK(context.set_tensor_address("x", x.data()));
    OK(context.set_tensor_address("y", y.data()));
    for (int i = 0; i < 5; ++i) OK(context.run());
    const std::vector<RunTimes> times = context.take_run_times().value();
    ASSERT_EQ(times.size(), 5U);
    for (const RunTimes& run : times) EXPECT_GE(run.compute_ms, 0);
    EXPECT_FALSE(times.front().replayed);  // other addresses are recorded anew
    EXPECT_TRUE(times.back().replayed);
  };
  std::vector<float> x = numbers(2, 1);
  std::vector<float> y(x.size());
  std::vector<float> other = x;
  runs_at(x, y);
  runs_at(other, y);
}

// What an application with a CUDA stream of its own writes.
// [stream]
// `x` and `y` are memory of the GPU; the application has a CUDA stream, fills x on it before this,
// and reads y on it afterwards.
Status run_on(const Device& device, ExecutionContext& context, void* cuda_stream, void* x,
              void* y) {
  PENSTOCK_ASSIGN_OR_RETURN(Stream stream, device.wrap_stream(cuda_stream));
  PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address("x", x));
  PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address("y", y));
  return context.enqueue(stream);  // nothing waits: the kernels lie in the stream now
}
// [end]

TEST_F(Gpu, TheExampleOfThePage) {
  const Stream owner = device_->create_stream().value();
  Stream stream = device_->wrap_stream(owner.native_handle()).value();
  const std::vector<float> values = numbers(4, 8);
  const Buffer x = device_->allocate(values.size() * sizeof(float)).value();
  const Buffer y = device_->allocate(x.bytes()).value();
  ExecutionContext context = engine_->create_context().value();
  OK(context.set_input_shape("x", {4, kWidth}));
  OK(device_->copy_in(x.data(), values.data(), x.bytes(), stream));
  OK(run_on(*device_, context, owner.native_handle(), x.data(), y.data()));
  std::vector<float> back(values.size());
  OK(device_->copy_out(back.data(), y.data(), y.bytes(), stream));
  OK(stream.synchronize());
  expect_near(back.data(), 4, 8);
}

}  // namespace

// Copies and runs of the application's in one stream of its own, and nobody waits between them.
void Gpu::check_order(const Engine& engine, With with) {
  constexpr int64_t kBatch = 4;
  constexpr int kRounds = 12;  // enough that the run is recorded and replayed
  constexpr size_t kBytes = sizeof(float) * kBatch * kWidth;
  const Stream owner = device_->create_stream().value();
  Stream stream = device_->wrap_stream(owner.native_handle()).value();
  EXPECT_EQ(stream.native_handle(), owner.native_handle());
  const Buffer x = device_->allocate(kBytes).value();
  const Buffer y = device_->allocate(kBytes).value();
  const Buffer in = device_->allocate_host(kRounds * kBytes).value();
  const Buffer out = device_->allocate_host(kRounds * kBytes).value();
  ExecutionContext context = engine.create_context().value();
  OK(context.set_input_shape("x", {kBatch, kWidth}));
  OK(context.set_tensor_address("x", x.data()));
  OK(context.set_tensor_address("y", y.data()));
  for (int i = 0; i < kRounds; ++i) {
    const std::vector<float> values = numbers(kBatch, i);
    std::memcpy(static_cast<char*>(in.data()) + i * kBytes, values.data(), kBytes);
  }
  for (int i = 0; i < kRounds; ++i) {
    OK(device_->copy_in(x.data(), static_cast<char*>(in.data()) + i * kBytes, kBytes, stream));
    OK(context.enqueue(stream));
    OK(device_->copy_out(static_cast<char*>(out.data()) + i * kBytes, y.data(), kBytes, stream));
  }
  OK(stream.synchronize());
  for (int i = 0; i < kRounds; ++i) {
    expect_near(static_cast<float*>(out.data()) + i * kBatch * kWidth, kBatch, i, with);
  }
  OK(context.wait());
}

namespace {

TEST_F(Gpu, RunsInTheOrderOfTheCallersStream) { check_order(*engine_, With::kNothing); }

TEST_F(Gpu, RunsWithStepsOfTheCpuKeepTheOrderToo) {
  const Result<BuiltPlan> built = build("cuda:0", With::kRoot);
  ASSERT_TRUE(built.is_ok()) << built.status().message();
  check_order(Engine::deserialize(built->plan).value(), With::kRoot);
}

// The same on the default stream, which no graph can be recorded on.
TEST_F(Gpu, RunsOnTheDefaultStream) {
  Stream stream = device_->wrap_stream(nullptr).value();
  ExecutionContext context = engine_->create_context().value();
  std::vector<float> x = numbers(2, 3);
  const Buffer y = device_->allocate(x.size() * sizeof(float)).value();
  OK(context.set_input_shape("x", {2, kWidth}));
  OK(context.set_tensor_address("x", x.data()));
  OK(context.set_tensor_address("y", y.data()));
  std::vector<float> back(x.size());
  for (int i = 0; i < 5; ++i) {
    OK(context.enqueue(stream));
    OK(device_->copy_out(back.data(), y.data(), y.bytes(), stream));
    OK(stream.synchronize());
    expect_near(back.data(), 2, 3);
    std::fill(back.begin(), back.end(), 0.0f);
  }
}

// One context by turns on two streams: its scratch memory is used by one run at a time.
TEST_F(Gpu, ARunOnAnotherStreamComesAfterTheLast) {
  ExecutionContext context = engine_->create_context().value();
  Stream streams[2] = {device_->create_stream().value(), device_->create_stream().value()};
  const std::vector<float> x = numbers(4, 5);
  const Buffer there = device_->allocate(x.size() * sizeof(float)).value();
  const Buffer y = device_->allocate(x.size() * sizeof(float)).value();
  OK(device_->copy_in(there.data(), x.data(), there.bytes(), streams[0]));
  OK(context.set_input_shape("x", {4, kWidth}));
  OK(context.set_tensor_address("x", there.data()));
  OK(context.set_tensor_address("y", y.data()));
  for (int i = 0; i < 10; ++i) OK(context.enqueue(streams[i % 2]));
  OK(context.wait());
  std::vector<float> back(x.size());
  OK(device_->copy_out(back.data(), y.data(), y.bytes(), streams[0]));
  OK(streams[0].synchronize());
  expect_near(back.data(), 4, 5);
}

TEST_F(Gpu, ContextsRunSideBySide) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([this, t] {
      ExecutionContext context = engine_->create_context().value();
      Stream stream = engine_->create_stream().value();
      for (int i = 0; i < 8; ++i) {
        const int64_t batch = 1 + (i + t) % 3;
        std::vector<float> x = numbers(batch, 10 * t + i);
        std::vector<float> y(x.size());
        OK(context.set_input_shape("x", {batch, kWidth}));
        OK(context.set_tensor_address("x", x.data()));
        OK(context.set_tensor_address("y", y.data()));
        OK(context.enqueue(stream));
        OK(context.wait());
        OK(stream.synchronize());
        expect_near(y.data(), batch, 10 * t + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Gpu, EventsOrderStreamsAndTellTime) {
  ExecutionContext context = engine_->create_context().value();
  Stream first = device_->create_stream().value();
  Stream second = device_->create_stream().value();
  Event begin = device_->create_event().value();
  Event end = device_->create_event().value();
  EXPECT_TRUE(end.is_reached().value());
  OK(end.wait());
  const std::vector<float> x = numbers(8, 2);
  const Buffer there = device_->allocate(x.size() * sizeof(float)).value();
  const Buffer y = device_->allocate(x.size() * sizeof(float)).value();
  OK(context.set_input_shape("x", {8, kWidth}));
  OK(context.set_tensor_address("x", there.data()));
  OK(context.set_tensor_address("y", y.data()));
  OK(device_->copy_in(there.data(), x.data(), there.bytes(), first));
  OK(begin.record(first));
  OK(context.enqueue(first));
  OK(end.record(first));
  OK(second.wait_for(end));
  std::vector<float> back(x.size());
  OK(device_->copy_out(back.data(), y.data(), y.bytes(), second));
  OK(second.synchronize());
  EXPECT_TRUE(end.is_reached().value());
  expect_near(back.data(), 8, 2);
  EXPECT_GT(end.elapsed_ms(begin).value(), 0);
  Event of_the_host = Device::open("cpu")->create_event().value();
  EXPECT_THAT(of_the_host.record(first).message(), HasSubstr("the event is of device cpu"));
}

// Once the event is reached, the next inputs may be written where the last ones were.
TEST_F(Gpu, InputsMayBeOverwrittenAfterTheirEvent) {
  for (const bool on_device : {false, true}) {
    ExecutionContext context = engine_->create_context().value();
    Stream stream = device_->create_stream().value();
    Stream side = device_->create_stream().value();
    Event consumed = device_->create_event().value();
    OK(context.set_input_consumed_event(&consumed));
    const Buffer locked = device_->allocate_host(sizeof(float) * 4 * kWidth).value();
    const Buffer there = device_->allocate(locked.bytes()).value();
    OK(context.set_input_shape("x", {4, kWidth}));
    OK(context.set_tensor_address("x", on_device ? there.data() : locked.data()));
    std::vector<std::vector<float>> results(4, std::vector<float>(4 * kWidth));
    for (int i = 0; i < 4; ++i) {
      const std::vector<float> x = numbers(4, i);
      OK(consumed.wait());
      std::memcpy(locked.data(), x.data(), locked.bytes());
      if (on_device) {
        OK(device_->copy_in(there.data(), locked.data(), locked.bytes(), side));
        OK(side.synchronize());
      }
      OK(context.set_tensor_address("y", results[static_cast<size_t>(i)].data()));
      OK(context.enqueue(stream));
    }
    OK(context.wait());
    OK(stream.synchronize());
    for (int i = 0; i < 4; ++i) expect_near(results[static_cast<size_t>(i)].data(), 4, i);
    OK(context.set_input_consumed_event(nullptr));
  }
}

TEST_F(Gpu, APlanRunsWhereItIsAskedTo) {
  EXPECT_THAT(Engine::deserialize(*plan_, {"cpu"}).status().message(),
              AllOf(HasSubstr("built for cuda"), HasSubstr("does not run on 'cpu'")));
  const Status missing = Engine::deserialize(*plan_, {"cuda:99"}).status();
  EXPECT_EQ(missing.code(), StatusCode::kUnsupported);
  EXPECT_THAT(missing.message(), AllOf(HasSubstr("built for cuda"), HasSubstr("cuda:99")));
  EXPECT_THAT(Engine::deserialize(build("cpu")->plan, {"cuda:0"}).status().message(),
              AllOf(HasSubstr("built for cpu"), HasSubstr("does not run on 'cuda:0'")));
  if (Device::list().size() < 3) return;  // the CPU and one GPU
  const Result<Engine> second = Engine::deserialize(*plan_, {"cuda:1"});
  ASSERT_TRUE(second.is_ok()) << second.status().message();
  EXPECT_EQ(second->device().name(), "cuda:1");
  std::vector<float> x = numbers(2, 9);
  std::vector<float> y(x.size());
  ExecutionContext context = second->create_context().value();
  OK(context.set_input_shape("x", {2, kWidth}));
  OK(context.set_tensor_address("x", x.data()));
  OK(context.set_tensor_address("y", y.data()));
  OK(context.run());
  expect_near(y.data(), 2, 9);
}

}  // namespace
}  // namespace penstock::test
