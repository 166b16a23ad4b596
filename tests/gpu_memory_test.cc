// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Memory of a GPU, and its loss; on the stand-in where there is none.
#include <dlfcn.h>
#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>

#include "gpu_fixture.h"

namespace penstock::test {
namespace {

using testing::HasSubstr;

// Two contexts on two streams and one piece of memory: a run waits for the one before on the
// device.
TEST_F(Gpu, RunsThatShareScratchComeOneAfterTheOther) {
  for (const With with : {With::kNothing, With::kRoot}) {
    const Engine engine = Engine::deserialize(build("cuda:0", with)->plan).value();
    ContextOptions options;
    options.scratch = engine.create_shared_scratch();
    struct User {
      ExecutionContext context;
      Stream stream;
      std::vector<float> x, y;
    };
    std::vector<User> users;
    for (int u = 0; u < 2; ++u) {
      users.push_back(
          {engine.create_context(options).value(), engine.create_stream().value(), {}, {}});
    }
    for (int i = 0; i < 8; ++i) {
      for (size_t u = 0; u < users.size(); ++u) {
        User& user = users[u];
        const int64_t batch = i < 4 ? 2 : 2 + i % 3 + static_cast<int64_t>(u);  // then it grows
        OK(user.context.wait());
        user.x = numbers(batch, i + static_cast<int>(u));
        user.y.assign(user.x.size(), 0);
        OK(user.context.set_input_shape("x", {batch, kWidth}));
        OK(user.context.set_tensor_address("x", user.x.data()));
        OK(user.context.set_tensor_address("y", user.y.data()));
        OK(user.context.enqueue(user.stream));
      }
      for (size_t u = 0; u < users.size(); ++u) {
        OK(users[u].context.wait());
        expect_near(users[u].y.data(), static_cast<int64_t>(users[u].y.size()) / kWidth,
                    i + static_cast<int>(u), with);
      }
    }
    EXPECT_GT(options.scratch.bytes(), 0U);
  }
}

TEST_F(Gpu, ItsMemoryIsCountedAndLimited) {
  const DeviceMemory before = device_->memory().value();
  EXPECT_GE(before.weights, kWidth * kWidth * sizeof(float));
  EXPECT_GE(before.held, before.weights);
  {
    const Buffer buffer = device_->allocate(1 << 20).value();
    const Buffer locked = device_->allocate_host(1 << 20).value();
    EXPECT_EQ(device_->memory()->buffers, before.buffers + (1 << 20));
    EXPECT_EQ(device_->memory()->page_locked, before.page_locked + (1 << 20));
  }
  ExecutionContext context = engine_->create_context().value();
  std::vector<float> x = numbers(2, 1);
  std::vector<float> y(x.size());
  OK(context.set_input_shape("x", {2, kWidth}));
  OK(context.set_tensor_address("x", x.data()));
  OK(context.set_tensor_address("y", y.data()));
  OK(context.run());
  EXPECT_GT(device_->memory()->scratch, before.scratch);
  EXPECT_GT(device_->memory()->tensors, before.tensors);

  device_->set_memory_limit(device_->memory()->held + 1024);
  std::vector<float> large = numbers(4096, 1);
  OK(context.set_input_shape("x", {4096, kWidth}));
  OK(context.set_tensor_address("x", large.data()));
  const Status status = context.run();
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory) << status.message();
  EXPECT_THAT(status.message(), HasSubstr("cuda:0"));
  EXPECT_EQ(Engine::deserialize(*plan_).status().code(), StatusCode::kOutOfMemory);
  OK(context.set_input_shape("x", {2, kWidth}));
  OK(context.set_tensor_address("x", x.data()));
  OK(context.run());
  expect_near(y.data(), 2, 1);
  device_->set_memory_limit(0);
}

TEST_F(Gpu, ScratchMemoryOfTheCallers) {
  ExecutionContext context = engine_->create_context().value();
  std::vector<float> x = numbers(3, 5);
  std::vector<float> y(x.size());
  OK(context.set_input_shape("x", {3, kWidth}));
  OK(context.set_tensor_address("x", x.data()));
  OK(context.set_tensor_address("y", y.data()));
  const uint64_t bytes = context.scratch_bytes().value();
  const uint64_t before = device_->memory()->scratch;
  const Buffer memory = device_->allocate(bytes).value();
  OK(context.set_scratch_memory(memory.data(), bytes));
  for (int i = 0; i < 4; ++i) OK(context.run());
  expect_near(y.data(), 3, 5);
  EXPECT_EQ(device_->memory()->scratch, before);
  EXPECT_THAT(
      context.set_scratch_memory(x.data() - reinterpret_cast<uintptr_t>(x.data()) % 64 / 4, bytes)
          .message(),
      HasSubstr("no memory of cuda:0"));
}

// The driver's functions, by which the test makes a kernel fail. Null where there is no driver.
template <typename... Arguments>
int driver_call(void* driver, const char* name, Arguments... arguments) {
  auto* entry = reinterpret_cast<int (*)(Arguments...)>(::dlsym(driver, name));
  return entry == nullptr ? -1 : entry(arguments...);
}

// Writes to an address that is nobody's, on the GPU whose context is current.
bool run_bad_kernel(void* driver) {
  constexpr const char* kSource =
      ".version 7.0\n.target sm_50\n.address_size 64\n"
      ".visible .entry bad()\n{\n.reg .u64 %a;\n.reg .u32 %v;\n"
      "mov.u64 %a, 16;\nmov.u32 %v, 1;\nst.global.u32 [%a], %v;\nret;\n}\n";
  void* module = nullptr;
  void* kernel = nullptr;
  void* none = nullptr;
  return driver_call(driver, "cuModuleLoadData", &module, kSource) == 0 &&
         driver_call(driver, "cuModuleGetFunction", &kernel, module, "bad") == 0 &&
         driver_call(driver, "cuLaunchKernel", kernel, 1U, 1U, 1U, 1U, 1U, 1U, 0U, none, none,
                     none) == 0 &&
         driver_call(driver, "cuCtxSynchronize") != 0;
}

// Exits with 0 where all that must be said of a lost device is said.
[[noreturn]] void lose_the_device(void* driver, const Device& device, const Engine& engine) {
  const auto is_lost = [](const Status& status) {
    if (status.code() == StatusCode::kDeviceLost) return true;
    std::fprintf(stderr, "not told: %s\n", status.message().c_str());
    return false;
  };
  ExecutionContext context = engine.create_context().value();
  Stream stream = device.create_stream().value();
  std::vector<float> x = numbers(2, 1);
  std::vector<float> y(x.size());
  bool right = context.set_input_shape("x", {2, kWidth}).is_ok() &&
               context.set_tensor_address("x", x.data()).is_ok() &&
               context.set_tensor_address("y", y.data()).is_ok() && context.run().is_ok();
  right = right && run_bad_kernel(driver);
  right = right && is_lost(context.run());
  for (int i = 0; i < 2; ++i) {  // at once, and again
    right = right && is_lost(context.run()) && is_lost(context.enqueue(stream)) &&
            is_lost(device.allocate(64).status()) && is_lost(device.create_stream().status()) &&
            is_lost(device.synchronize()) && is_lost(Device::open("cuda:0").status());
  }
  right = right && Device::open("auto")->name() == "cpu";
  std::_Exit(right ? 0 : 1);
}

// In a process of its own, which is of no use afterwards.
TEST_F(Gpu, ALostDeviceSaysSoAtEveryCall) {
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr || device_->info()->name == "a stand-in") return;
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(lose_the_device(driver, *device_, *engine_), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace penstock::test
