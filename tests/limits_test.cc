// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Runs that would not end by themselves: loops without end, and memory that grows without end.
#include <gmock/gmock.h>

#include <atomic>
#include <limits>
#include <thread>

#include "built_model.h"

namespace penstock::test {
namespace {

using importer::kBool;
using importer::kFloat;
using importer::kInt64;
using importer::make_node;
using importer::ModelBuilder;
using importer::Names;
using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

using Values = std::map<std::string, Value>;

onnx::GraphProto make_body(const std::vector<onnx::NodeProto>& nodes, const Names& outputs) {
  onnx::GraphProto body;
  body.set_name("body");
  for (const char* input : {"i", "go", "state"}) body.add_input()->set_name(input);
  for (const onnx::NodeProto& node : nodes) *body.add_node() = node;
  for (const std::string& output : outputs) body.add_output()->set_name(output);
  return body;
}

// y = x doubled in each iteration, by a loop that goes on `trips` times while `start` is true.
ModelBuilder doubling_model(const onnx::GraphProto& body, const Names& outputs) {
  ModelBuilder model;
  model.input("trips", {}, kInt64).input("start", {}, kBool).input("x", {"n"});
  model.node("Loop", {"trips", "start", "x"}, outputs, {{"body", body}}, "forever");
  for (const std::string& output : outputs) model.output(output);
  return model;
}

onnx::GraphProto doubling_body() {
  return make_body({make_node("Add", {"state", "state"}, {"next"})}, {"go", "next"});
}

class Limited {
 public:
  Limited(const ModelBuilder& model, int64_t iterations, uint64_t memory = 0)
      : context_(make(
            model, {.threads = 1, .max_loop_iterations = iterations, .max_memory_bytes = memory})) {
    EXPECT_TRUE(context_.is_ok()) << context_.status().message();
  }

  Result<Values> run(int64_t trips, bool start, const std::vector<float>& x) {
    Tensor condition(DataType::kBool, {});
    condition.as<bool>()[0] = start;
    const Shape shape = {static_cast<int64_t>(x.size())};
    return context_->run_values(
        {{"trips", Tensor::from<int64_t>(DataType::kInt64, {}, std::vector{trips})},
         {"start", condition},
         {"x", Tensor::from<float>(DataType::kFloat32, shape, x)}});
  }
  // The first number of output y.
  float first(int64_t trips, const std::vector<float>& x) {
    const Result<Values> outputs = run(trips, true, x);
    EXPECT_TRUE(outputs.is_ok()) << outputs.status().message();
    return outputs.is_ok() ? outputs->at("y").tensor().as<float>()[0] : -1;
  }
  ExecutionContext& operator*() { return *context_; }

 private:
  static Result<ExecutionContext> make(const ModelBuilder& model, ContextOptions options) {
    PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, engine_of(model));
    return engine.create_context(options);
  }
  Result<ExecutionContext> context_;
};

TEST(Limits, ALoopWithoutEndNamesItsNodeAndTheLimit) {
  Limited loop(doubling_model(doubling_body(), {"y"}), 1000);
  const Status status = loop.run(kForever, true, {1}).status();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("'forever'"), HasSubstr("1000 iterations"),
                                      HasSubstr("max_loop_iterations")));
  EXPECT_EQ(loop.first(3, {1, 5}), 8);  // the context is usable, and counts anew
  EXPECT_EQ(loop.first(1000, {0}), 0);
  EXPECT_FALSE(loop.run(1001, true, {0}).is_ok());
  EXPECT_TRUE(loop.run(kForever, false, {1}).is_ok());
}

TEST(Limits, ALoopWithoutATripCountIsLimitedByDefault) {
  ModelBuilder model;
  model.input("x", {1});
  model.node("Loop", {"", "", "x"}, {"y"}, {{"body", doubling_body()}}, "forever").output("y");
  const Result<Engine> engine = engine_of(model);
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  EXPECT_GT(ContextOptions().max_loop_iterations, 0);
  Result<ExecutionContext> context =
      engine->create_context({.threads = 1, .max_loop_iterations = 50});
  const Status status = context->run_values({{"x", Tensor(DataType::kFloat32, {1})}}).status();
  EXPECT_THAT(status.message(), HasSubstr("50 iterations"));
  EXPECT_FALSE(engine->create_context({.threads = 1, .max_loop_iterations = -1}).is_ok());
}

TEST(Limits, LoopsInsideLoopsCountTogether) {
  onnx::GraphProto outer = make_body(
      {make_node("Loop", {"hundred", "", "state"}, {"next"}, {{"body", doubling_body()}}, "inner")},
      {"go", "next"});
  outer.mutable_node(0)->mutable_attribute(0)->mutable_g()->mutable_input(0)->set_name("j");
  ModelBuilder model = doubling_model(outer, {"y"});
  onnx::TensorProto hundred = importer::int64_tensor("hundred", {100});
  model.initializer(hundred);
  EXPECT_FALSE(Limited(model, 5000).run(100, true, {0}).is_ok());
  EXPECT_EQ(Limited(model, 10100).first(100, {0}), 0);
}

TEST(Limits, WhatALoopCollectsTakesMemory) {
  const onnx::GraphProto body =
      make_body({make_node("Add", {"state", "state"}, {"next"})}, {"go", "next", "next"});
  Limited loop(doubling_model(body, {"y", "all"}), 0, 16 << 20);
  const std::vector<float> mebibyte(1 << 18);
  const Status status = loop.run(kForever, true, mebibyte).status();
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("'forever'"), HasSubstr("may hold 16 MiB"),
                                      HasSubstr("max_memory_bytes")));
  EXPECT_EQ(loop.first(2, {3}), 12);
  EXPECT_LT((*loop).memory_bytes(), size_t{16} << 20);
}

TEST(Limits, AStateThatGrowsTakesMemory) {
  const onnx::GraphProto body = make_body(
      {make_node("Concat", {"state", "state"}, {"next"}, {{"axis", int64_t{0}}})}, {"go", "next"});
  Limited loop(doubling_model(body, {"y"}), 0, 16 << 20);
  const Status status = loop.run(kForever, true, {1}).status();
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_THAT(status.message(), HasSubstr("'forever'"));
  EXPECT_EQ(loop.first(4, {3}), 3);
}

TEST(Limits, SequencesTakeMemory) {
  const onnx::GraphProto body =
      make_body({make_node("SequenceInsert", {"state", "x"}, {"next"})}, {"go", "next"});
  ModelBuilder model;
  model.input("trips", {}, kInt64).input("start", {}, kBool).input("x", {"n"});
  model.node("SequenceConstruct", {"x"}, {"s"})
      .node("Loop", {"trips", "start", "s"}, {"grown"}, {{"body", body}}, "forever")
      .node("ConcatFromSequence", {"grown"}, {"y"}, {{"axis", int64_t{0}}})
      .output("y");
  Limited loop(model, 0, 16 << 20);
  const Status status = loop.run(kForever, true, std::vector<float>(1000)).status();
  EXPECT_EQ(status.code(), StatusCode::kOutOfMemory);
  EXPECT_EQ(loop.first(4, {3}), 3);
}

TEST(Limits, MemoryOfAPlainRunIsLimited) {
  ModelBuilder model;
  model.input("x", {"n"}).node("Relu", {"x"}, {"y"}).output("y");
  const Result<Engine> engine = engine_of(model);
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  Result<ExecutionContext> context =
      engine->create_context({.threads = 1, .max_loop_iterations = 0, .max_memory_bytes = 1 << 20});
  const auto run = [&](int64_t n) {
    return context->run_values({{"x", Tensor(DataType::kFloat32, {n})}}).status();
  };
  EXPECT_EQ(run(1 << 20).code(), StatusCode::kOutOfMemory);
  EXPECT_TRUE(run(1 << 10).is_ok());
}

TEST(LimitsThreads, CancelEndsARunAndTheNextOneIsFree) {
  Limited loop(doubling_model(doubling_body(), {"y"}), 0);
  std::atomic<bool> ended = false;
  std::thread other([&] {
    while (!ended) (*loop).cancel();
  });
  const Status status = loop.run(kForever, true, {1}).status();
  ended = true;
  other.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("'forever'"), HasSubstr("cancelled")));
  EXPECT_EQ(loop.first(3, {1}), 8);
}

}  // namespace
}  // namespace penstock::test
