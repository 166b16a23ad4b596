// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// One engine, many contexts: each on a thread or a stream of its own, all with the right answers.
#include <atomic>
#include <thread>

#include "shipped_model.h"

namespace penstock::test {
namespace {

constexpr int kRuns = 4;

std::vector<float> classify(ExecutionContext& context, const Tensor& images) {
  Result<std::map<std::string, Tensor>> outputs = context.run({{"images", images}});
  return outputs.is_ok() ? to_vector(outputs->at("logits")) : std::vector<float>();
}

class EngineThreads : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(engine_.is_ok()) << engine_.message(); }

  // What one context alone gives for the images of `seed`.
  std::vector<float> expected(int64_t batch, uint32_t seed) {
    Result<ExecutionContext> context = engine_->create_context();
    return classify(*context, random_images(batch, seed));
  }

  ResNet20 engine_{1};
};

TEST_F(EngineThreads, ContextsOnThreadsOfTheirOwn) {
  const std::vector<std::vector<float>> wanted = {expected(1, 0), expected(2, 1), expected(3, 2)};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Result<ExecutionContext> context = engine_->create_context();
      const Tensor images = random_images(t + 1, t);
      for (int i = 0; i < kRuns; ++i) wrong += classify(*context, images) != wanted[t];
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(EngineThreads, ShapesChangeSideBySide) {
  const std::vector<std::vector<float>> wanted = {expected(1, 0), expected(2, 0), expected(3, 0)};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      Result<ExecutionContext> context = engine_->create_context();
      for (int i = t; i < t + 2 * kRuns; ++i) {
        const int64_t batch = i % 3 + 1;
        wrong += classify(*context, random_images(batch, 0)) != wanted[batch - 1];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(EngineThreads, ContextsComeAndGo) {
  const std::vector<float> wanted = expected(1, 0);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRuns; ++i) {
        Result<ExecutionContext> context = engine_->create_context();
        wrong += classify(*context, random_images(1, 0)) != wanted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(EngineThreads, AFailedRunHarmsNoOther) {
  const std::vector<float> wanted = expected(1, 0);
  std::atomic<int> wrong{0};
  std::thread good([&] {
    Result<ExecutionContext> context = engine_->create_context();
    for (int i = 0; i < kRuns; ++i) wrong += classify(*context, random_images(1, 0)) != wanted;
  });
  std::thread bad([&] {
    Result<ExecutionContext> context = engine_->create_context();
    for (int i = 0; i < kRuns; ++i) wrong += !classify(*context, random_images(9, 0)).empty();
    wrong += classify(*context, random_images(1, 0)) != wanted;
  });
  good.join();
  bad.join();
  EXPECT_EQ(wrong, 0);
}

// A context whose run is enqueued, with memory for its input and output.
struct Enqueued {
  explicit Enqueued(Engine& engine, uint32_t seed)
      : context(engine.create_context().value()), images(random_images(1, seed)) {}

  Status start(Stream& stream) {
    PENSTOCK_RETURN_IF_ERROR(context.set_input_shape("images", images.shape()));
    PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address("images", images.data()));
    PENSTOCK_RETURN_IF_ERROR(context.set_tensor_address("logits", logits.data()));
    return context.enqueue(stream);
  }

  ExecutionContext context;
  Tensor images;
  Tensor logits{DataType::kFloat32, {1, 10}};
};

TEST_F(EngineThreads, TwoStreams) {
  const std::vector<float> wanted[] = {expected(1, 0), expected(1, 1)};
  Result<Stream> first = engine_->create_stream();
  Result<Stream> second = engine_->create_stream();
  ASSERT_TRUE(first.is_ok() && second.is_ok());
  Enqueued a(*engine_, 0);
  Enqueued b(*engine_, 1);
  for (int i = 0; i < kRuns; ++i) {
    ASSERT_TRUE(a.start(*first).is_ok());
    ASSERT_TRUE(b.start(*second).is_ok());
    EXPECT_TRUE(a.context.wait().is_ok());
    EXPECT_TRUE(b.context.wait().is_ok());
    EXPECT_EQ(to_vector(a.logits), wanted[0]);
    EXPECT_EQ(to_vector(b.logits), wanted[1]);
  }
}

TEST_F(EngineThreads, OneStreamKeepsItsOrder) {
  const std::vector<float> wanted = expected(1, 1);
  Result<Stream> stream = engine_->create_stream();
  ASSERT_TRUE(stream.is_ok());
  Enqueued a(*engine_, 0);
  Enqueued b(*engine_, 1);
  b.logits = a.logits;  // both write here: the later one's answer must stay
  ASSERT_TRUE(a.start(*stream).is_ok());
  ASSERT_TRUE(b.start(*stream).is_ok());
  ASSERT_TRUE(stream->synchronize().is_ok());
  EXPECT_EQ(to_vector(b.logits), wanted);
}

TEST_F(EngineThreads, AContextOutlivesItsEngine) {
  const std::vector<float> wanted = expected(1, 0);
  Result<ExecutionContext> context = engine_->create_context();
  { const Engine gone = std::move(*engine_); }
  EXPECT_EQ(classify(*context, random_images(1, 0)), wanted);
}

}  // namespace
}  // namespace penstock::test
