// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Extents that a model leaves open are planned to fit each other; those of a run may not. No kernel
// may then read beyond its operands.
#include <gmock/gmock.h>

#include "built_model.h"

namespace penstock::test {
namespace {

using importer::ModelBuilder;
using testing::Each;
using testing::HasSubstr;

Tensor ones(Shape shape) {
  Tensor tensor(DataType::kFloat32, std::move(shape));
  for (float& x : tensor.as<float>()) x = 1;
  return tensor;
}

// Runs on ones of these shapes: the sum of two ones everywhere, or an error.
void expect_sum(ExecutionContext& context, const Shape& x, const Shape& y, const Shape& z) {
  const auto outputs = context.run({{"x", ones(x)}, {"y", ones(y)}});
  ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
  EXPECT_EQ(outputs->at("z").shape(), z);
  EXPECT_THAT(outputs->at("z").as<float>(), Each(2));
}
void expect_error(ExecutionContext& context, const Shape& x, const Shape& y) {
  const auto outputs = context.run({{"x", ones(x)}, {"y", ones(y)}});
  EXPECT_FALSE(outputs.is_ok()) << to_string(x) << " and " << to_string(y);
}

TEST(Broadcast, TwoExtentsThatTheRunTells) {
  Result<ExecutionContext> context = context_of(ModelBuilder()
                                                    .input("x", {"n"})
                                                    .input("y", {"m"})
                                                    .node("Add", {"x", "y"}, {"z"})
                                                    .output("z"));
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  expect_sum(*context, {5}, {5}, {5});
  for (const auto& [n, m] : {std::pair(5, 3), {3, 5}, {1000, 3}, {3, 0}, {0, 3}}) {
    expect_error(*context, {n}, {m});
  }
  expect_sum(*context, {5}, {1}, {5});
  expect_sum(*context, {1}, {0}, {0});
}

TEST(Broadcast, AnExtentThatTheModelTells) {
  Result<ExecutionContext> context = context_of(ModelBuilder()
                                                    .input("x", {"n", 2})
                                                    .input("y", {4, 2})
                                                    .node("Add", {"x", "y"}, {"z"})
                                                    .output("z"));
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  expect_sum(*context, {4, 2}, {4, 2}, {4, 2});
  for (int64_t n : {0, 2, 3, 5, 1000}) expect_error(*context, {n, 2}, {4, 2});
  expect_sum(*context, {1, 2}, {4, 2}, {4, 2});
}

TEST(Broadcast, InAFusedExpression) {
  Result<ExecutionContext> context = context_of(ModelBuilder()
                                                    .input("x", {"n"})
                                                    .input("y", {"m"})
                                                    .node("Sqrt", {"y"}, {"a"})
                                                    .node("Add", {"x", "a"}, {"b"})
                                                    .node("Neg", {"b"}, {"c"})
                                                    .node("Abs", {"c"}, {"z"})
                                                    .output("z"));
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  expect_sum(*context, {3}, {3}, {3});
  expect_error(*context, {300}, {2});
  expect_sum(*context, {1}, {3}, {3});
}

TEST(Broadcast, WhatIsAddedToAProduct) {
  ModelBuilder model;
  model.input("x", {"b", 3, 1}).input("y", {"n", 3, 2});
  model.initializer(importer::float_tensor("w", {1, 2}, {1, 1}));
  model.node("MatMul", {"x", "w"}, {"p"}).node("Add", {"p", "y"}, {"z"}).output("z");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  expect_sum(*context, {4, 3, 1}, {4, 3, 2}, {4, 3, 2});
  for (int64_t n : {2, 3, 5, 100}) expect_error(*context, {4, 3, 1}, {n, 3, 2});
  expect_sum(*context, {4, 3, 1}, {1, 3, 2}, {4, 3, 2});
}

// In a branch that is not taken, extents need not fit.
TEST(Broadcast, InABranch) {
  const auto branch = [](const char* op) {
    onnx::GraphProto graph;
    graph.set_name(op);
    *graph.add_node() = importer::make_node(op, {"x", "y"}, {"sum"});
    graph.add_output()->set_name("sum");
    return graph;
  };
  onnx::GraphProto other;
  other.set_name("other");
  *other.add_node() = importer::make_node("Add", {"x", "x"}, {"twice"});
  other.add_output()->set_name("twice");
  ModelBuilder model;
  model.input("x", {"n"}).input("y", {"m"}).input("take", {}, importer::kBool);
  model.node("If", {"take"}, {"z"}, {{"then_branch", branch("Add")}, {"else_branch", other}})
      .output("z");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  const auto run = [&](int64_t n, int64_t m, bool take) {
    Tensor condition(DataType::kBool, {});
    condition.as<bool>()[0] = take;
    return context->run({{"x", ones({n})}, {"y", ones({m})}, {"take", condition}});
  };
  EXPECT_FALSE(run(5, 3, true).is_ok());
  const auto outputs = run(5, 3, false);
  ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
  EXPECT_THAT(outputs->at("z").as<float>(), Each(2));
  EXPECT_TRUE(run(3, 3, true).is_ok());
}

// Inside of a body, where shapes are found step by step.
TEST(Broadcast, InABody) {
  ModelBuilder model;
  model.input("x", {"n"}).input("y", {"m"});
  model.node("SequenceConstruct", {"x"}, {"s"});
  onnx::GraphProto body;
  body.set_name("body");
  body.add_input()->set_name("element");
  body.add_input()->set_name("other");
  *body.add_node() = importer::make_node("Add", {"element", "other"}, {"sum"});
  body.add_output()->set_name("sum");
  model.node("SequenceMap", {"s", "y"}, {"t"}, {{"body", body}}, "each")
      .node("ConcatFromSequence", {"t"}, {"z"}, {{"axis", int64_t{0}}})
      .output("z");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  expect_sum(*context, {3}, {3}, {3});
  const Status status = context->run({{"x", ones({1000})}, {"y", ones({3})}}).status();
  EXPECT_THAT(status.message(), HasSubstr("'each'"));
  EXPECT_THAT(status.message(), HasSubstr("[1000]"));
  expect_sum(*context, {3}, {1}, {3});
}

}  // namespace
}  // namespace penstock::test
