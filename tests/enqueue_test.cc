// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// A run of known shapes allocates nothing, whether called or enqueued.
#include <gtest/gtest.h>
#include <penstock/penstock.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "built_model.h"

namespace {

std::atomic<int64_t> allocations{0};

void* counted(size_t bytes, size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes == 0 ? 1 : bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

}  // namespace

// All of the process, libraries included, allocates through these.
void* operator new(size_t bytes) {
  void* memory = counted(bytes, 1);
  if (memory == nullptr) std::abort();
  return memory;
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  void* memory = counted(bytes, static_cast<size_t>(alignment));
  if (memory == nullptr) std::abort();
  return memory;
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return counted(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace penstock::test {
namespace {

// Three nodes that stay three kernels.
importer::ModelBuilder three_nodes() {
  importer::ModelBuilder model;
  model.input("x", {4, 16});
  model.node("Softmax", {"x"}, {"a"}, {{"axis", int64_t{1}}});
  model.node("Transpose", {"a"}, {"b"}, {{"perm", std::vector<int64_t>{1, 0}}});
  model.node("Softmax", {"b"}, {"y"}, {{"axis", int64_t{1}}});
  model.output("y", {16, 4});
  return model;
}

class Enqueue : public testing::Test {
 protected:
  void SetUp() override {
    Result<Engine> engine = engine_of(three_nodes());
    ASSERT_TRUE(engine.is_ok()) << engine.status().message();
    engine_.emplace(*std::move(engine));
    ASSERT_EQ(engine_->step_count(), 3U);
    context_.emplace(engine_->create_context().value());
    for (float& value : x_.as<float>()) value = 1;
    ASSERT_TRUE(context_->set_tensor_address("x", x_.data()).is_ok());
    ASSERT_TRUE(context_->set_tensor_address("y", y_.data()).is_ok());
  }

  Tensor x_{DataType::kFloat32, {4, 16}};
  Tensor y_{DataType::kFloat32, {16, 4}};
  std::optional<Engine> engine_;
  std::optional<ExecutionContext> context_;
};

TEST_F(Enqueue, ARunAllocatesNothing) {
  ASSERT_TRUE(context_->run().is_ok());
  const int64_t before = allocations;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(context_->run().is_ok());
  EXPECT_EQ(allocations - before, 0);
  EXPECT_FLOAT_EQ(y_.as<float>()[63], 0.25f);
}

TEST_F(Enqueue, AnEnqueuedRunAllocatesNothing) {
  Stream stream = engine_->create_stream().value();
  ASSERT_TRUE(context_->enqueue(stream).is_ok());
  ASSERT_TRUE(context_->wait().is_ok());
  const int64_t before = allocations;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(context_->enqueue(stream).is_ok());
    ASSERT_TRUE(context_->enqueue(stream).is_ok());
    ASSERT_TRUE(context_->wait().is_ok());
  }
  EXPECT_EQ(allocations - before, 0);
  EXPECT_FLOAT_EQ(y_.as<float>()[63], 0.25f);
}

TEST_F(Enqueue, RunsAreTimedWhileAsked) {
  Stream stream = engine_->create_stream().value();
  context_->set_run_timing(true);
  ASSERT_TRUE(context_->run().is_ok());
  ASSERT_TRUE(context_->enqueue(stream).is_ok());
  ASSERT_TRUE(context_->enqueue(stream).is_ok());
  const std::vector<RunTimes> times = context_->take_run_times().value();
  ASSERT_EQ(times.size(), 3U);
  for (const RunTimes& run : times) {
    EXPECT_GT(run.compute_ms, 0);
    EXPECT_GE(run.copy_in_ms, 0);
    EXPECT_GE(run.copy_out_ms, 0);
    EXPECT_FALSE(run.replayed);
  }
  EXPECT_TRUE(context_->take_run_times().value().empty());
  context_->set_run_timing(false);
  ASSERT_TRUE(context_->run().is_ok());
  EXPECT_TRUE(context_->take_run_times().value().empty());
}

TEST_F(Enqueue, MoreThanTheQueueHoldsAtFirst) {
  Stream stream = engine_->create_stream().value();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(context_->enqueue(stream).is_ok());
  ASSERT_TRUE(context_->wait().is_ok());
  EXPECT_FLOAT_EQ(y_.as<float>()[63], 0.25f);
}

}  // namespace
}  // namespace penstock::test
