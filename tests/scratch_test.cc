// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Scratch memory of a context's own, of the caller's, and shared; and the limit of a device's
// memory.
#include <gmock/gmock.h>

#include <thread>

#include "built_model.h"

namespace penstock::test {
namespace {

using importer::ModelBuilder;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

#define OK(expression)                                     \
  do {                                                     \
    const Status status_of = (expression);                 \
    ASSERT_TRUE(status_of.is_ok()) << status_of.message(); \
  } while (false)

// y = softmax(softmax(x) over the other axis), [n, 64]: with a value between two steps.
ModelBuilder model() {
  return ModelBuilder()
      .input("x", {"n", 64})
      .node("Softmax", {"x"}, {"s"}, {{"axis", int64_t{1}}})
      .node("Softmax", {"s"}, {"y"}, {{"axis", int64_t{0}}})
      .output("y");
}

// Ones, so that every element of y is 1 / n.
class Runner {
 public:
  explicit Runner(ExecutionContext context) : context_(std::move(context)) {}

  Status shape(int64_t rows) {
    x_.assign(static_cast<size_t>(rows * 64), 1.0f);
    y_.assign(x_.size(), 0.0f);
    PENSTOCK_RETURN_IF_ERROR(context_.set_input_shape("x", {rows, 64}));
    PENSTOCK_RETURN_IF_ERROR(context_.set_tensor_address("x", x_.data()));
    return context_.set_tensor_address("y", y_.data());
  }
  Status run(int64_t rows) {
    PENSTOCK_RETURN_IF_ERROR(shape(rows));
    return context_.run();
  }
  bool is_right() const {
    const float wanted = 64.0f / static_cast<float>(y_.size());
    return std::all_of(y_.begin(), y_.end(), [&](float y) { return std::abs(y - wanted) < 1e-6f; });
  }
  ExecutionContext& operator*() { return context_; }
  ExecutionContext* operator->() { return &context_; }

 private:
  ExecutionContext context_;
  std::vector<float> x_;
  std::vector<float> y_;
};

TEST(Scratch, ContextsShareAsMuchAsTheLargestNeeds) {
  const Engine engine = engine_of(model()).value();
  const SharedScratch scratch = engine.create_shared_scratch();
  EXPECT_EQ(scratch.bytes(), 0U);
  ContextOptions options;
  options.scratch = scratch;
  Runner small(engine.create_context(options).value());
  Runner large(engine.create_context(options).value());
  OK(small.run(4));
  const uint64_t few = scratch.bytes();
  EXPECT_GE(few, 4 * 64 * sizeof(float));
  OK(large.run(1000));
  EXPECT_GE(scratch.bytes(), 1000 * 64 * sizeof(float));
  EXPECT_TRUE(large.is_right());
  OK(small.run(4));  // where the memory has moved to
  EXPECT_TRUE(small.is_right());
  OK(small->run());
  EXPECT_TRUE(small.is_right());
  EXPECT_EQ(small->memory_bytes(), 0U);
}

TEST(Scratch, SharedRunsComeOneAfterTheOtherThreads) {
  const Engine engine = engine_of(model()).value();
  ContextOptions options;
  options.scratch = engine.create_shared_scratch();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Runner runner(engine.create_context(options).value());
      Stream stream = engine.create_stream().value();
      for (int i = 0; i < 20; ++i) {
        const int64_t rows = 1 + (i * 7 + t * 13) % 50;  // now and then it grows
        OK(runner.shape(rows));
        OK(t % 2 == 0 ? runner->enqueue(stream) : runner->run());
        OK(runner->wait());
        ASSERT_TRUE(runner.is_right()) << rows << " rows";
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Scratch, TheCallersMemoryIsUsed) {
  const Engine engine = engine_of(model()).value();
  Runner runner(engine.create_context().value());
  OK(runner.shape(100));
  const uint64_t bytes = runner->scratch_bytes().value();
  EXPECT_GE(bytes, 100 * 64 * sizeof(float));
  const Buffer memory = engine.device().allocate(bytes).value();
  OK(runner->set_scratch_memory(memory.data(), memory.bytes()));
  EXPECT_EQ(runner->memory_bytes(), 0U);
  OK(runner.run(100));
  EXPECT_TRUE(runner.is_right());
  EXPECT_NE(*static_cast<const float*>(memory.data()), 0.0f);
  const Status more = runner.run(200);
  EXPECT_EQ(more.code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(more.message(), AllOf(HasSubstr("was given " + std::to_string(bytes) + " bytes"),
                                    HasSubstr("scratch_bytes()")));
  OK(runner.run(50));
  EXPECT_TRUE(runner.is_right());
  OK(runner->set_scratch_memory(nullptr, 0));
  OK(runner.run(200));
  EXPECT_TRUE(runner.is_right());
}

TEST(Scratch, WrongMemoryIsRefused) {
  const Engine engine = engine_of(model()).value();
  Runner runner(engine.create_context().value());
  const Buffer memory = engine.device().allocate(1 << 20).value();
  EXPECT_THAT(
      runner->set_scratch_memory(static_cast<std::byte*>(memory.data()) + 4, 1024).message(),
      HasSubstr("multiple of 64"));
  ContextOptions options;
  options.scratch = engine.create_shared_scratch();
  Runner sharer(engine.create_context(options).value());
  EXPECT_THAT(sharer->set_scratch_memory(memory.data(), memory.bytes()).message(),
              HasSubstr("shares its scratch memory"));
}

// The limit is the process's: put back whatever happens.
class DeviceLimit : public testing::Test {
 protected:
  void TearDown() override { cpu_.set_memory_limit(0); }
  Device cpu_ = Device::open("cpu").value();
};

TEST_F(DeviceLimit, MemoryIsCountedByUse) {
  const DeviceMemory before = cpu_.memory().value();
  EXPECT_EQ(before.limit, 0U);
  EXPECT_GT(before.total, before.free);
  cpu_.reset_peak_memory();
  {
    const Buffer buffer = cpu_.allocate(1 << 20).value();
    EXPECT_EQ(cpu_.memory()->buffers, before.buffers + (1 << 20));
    Runner runner(context_of(model()).value());
    OK(runner.run(100));
    EXPECT_GE(cpu_.memory()->scratch, before.scratch + 100 * 64 * sizeof(float));
  }
  const DeviceMemory after = cpu_.memory().value();
  EXPECT_EQ(after.held, before.held);
  EXPECT_GE(after.peak, before.held + (1 << 20));
}

TEST_F(DeviceLimit, ARunThatDoesNotFitLeavesAUsableContext) {
  const Engine engine = engine_of(model()).value();
  Runner runner(engine.create_context().value());
  OK(runner.run(10));
  cpu_.set_memory_limit(cpu_.memory()->held + (1 << 16));
  const Status status = runner.run(100000);
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("no memory for"), HasSubstr("scratch memory"),
                                      HasSubstr("memory limit allows")));
  OK(runner.run(20));
  EXPECT_TRUE(runner.is_right());
  EXPECT_EQ(cpu_.allocate(1 << 20).status().code(), StatusCode::kOutOfMemory);
  cpu_.set_memory_limit(0);
  OK(runner.run(1000));
  EXPECT_TRUE(runner.is_right());
}

TEST_F(DeviceLimit, EnginesAndBuildsSetIt) {
  BuildOptions options = unmeasured();
  options.memory_limit_bytes = uint64_t{1} << 30;
  const BuiltPlan built = build_model(model(), options).value();
  EXPECT_EQ(cpu_.memory()->limit, uint64_t{1} << 30);
  const Engine engine = Engine::deserialize(built.plan, {"cpu", uint64_t{1} << 31}).value();
  EXPECT_EQ(cpu_.memory()->limit, uint64_t{1} << 31);
}

}  // namespace
}  // namespace penstock::test
