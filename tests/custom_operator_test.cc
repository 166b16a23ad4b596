// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Operators that an application brings along, from a model to answers.
#include <penstock/custom_operator.h>

#include <fstream>
#include <stdexcept>

#include "import/model_testlib.h"
#include "shipped_model.h"

namespace penstock::test {
namespace {

using Types = Result<std::vector<OperandType>>;

// y = factor * x where x is positive, else 0.
CustomOperator scaled_relu() {
  CustomOperator op;
  op.domain = "com.example";
  op.name = "ScaledRelu";
  op.infer = [](const OperatorAttributes&, const std::vector<OperandType>& inputs) -> Types {
    if (inputs[0].dtype != DataType::kFloat32) {
      return Status(StatusCode::kInvalidArgument, "takes float32 only");
    }
    return std::vector<OperandType>{inputs[0]};
  };
  op.run = [](OperatorRun& run) -> Status {
    const OperandView& x = run.input(0);
    const float factor = run.attributes().get<float>("factor", 1.0f);
    PENSTOCK_ASSIGN_OR_RETURN(void* y, run.output(0, x.shape));
    run.parallel_for(element_count(x.shape), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        static_cast<float*>(y)[i] = factor * std::max(x.as<float>()[i], 0.0f);
      }
    });
    return Status::ok();
  };
  return op;
}

// The positive elements of x, however many there are.
CustomOperator positives() {
  CustomOperator op;
  op.domain = "com.example";
  op.name = "Positives";
  op.infer = [](const OperatorAttributes&, const std::vector<OperandType>& inputs) -> Types {
    return std::vector<OperandType>{{inputs[0].dtype, {""}}};
  };
  op.run = [](OperatorRun& run) -> Status {
    const OperandView& x = run.input(0);
    std::vector<float> found;
    for (int64_t i = 0; i < element_count(x.shape); ++i) {
      if (x.as<float>()[i] > 0) found.push_back(x.as<float>()[i]);
    }
    if (found.size() == 3) throw std::runtime_error("three is too many");
    PENSTOCK_ASSIGN_OR_RETURN(void* y, run.output(0, {static_cast<int64_t>(found.size())}));
    std::copy(found.begin(), found.end(), static_cast<float*>(y));
    return Status::ok();
  };
  return op;
}

class CustomOperators : public testing::Test {
 protected:
  // A model of one input x [batch, 2] whose node `op` feeds a Neg.
  Result<Engine> build(const std::string& op, const importer::AttributeValues& attributes = {}) {
    importer::ModelBuilder model;
    model.input("x", {"batch", int64_t{2}});
    model.node(op, {"x"}, {"h"}, attributes, "mine");
    model.proto.mutable_graph()->mutable_node(0)->set_domain("com.example");
    model.node("Neg", {"h"}, {"y"});
    model.output("y");
    auto* domain = model.proto.add_opset_import();
    domain->set_domain("com.example");
    domain->set_version(1);
    std::ofstream(onnx_.path(), std::ios::binary) << model.bytes();
    BuildOptions options;
    options.threads = 2;
    PENSTOCK_RETURN_IF_ERROR(build_plan(onnx_.path(), plan_.path(), options).status());
    return Engine::load(plan_.path());
  }
  static Result<std::vector<float>> run(ExecutionContext& context, Shape shape,
                                        const std::vector<float>& x) {
    const Tensor input = Tensor::from<float>(DataType::kFloat32, std::move(shape), x);
    PENSTOCK_ASSIGN_OR_RETURN(const auto outputs, context.run({{"x", input}}));
    return to_vector(outputs.at("y"));
  }

  TemporaryFile onnx_{"custom.onnx"};
  TemporaryFile plan_{"custom.plan"};
};

TEST_F(CustomOperators, RunAmongOthersAtAnyBatch) {
  ASSERT_TRUE(register_operator(scaled_relu()).is_ok());
  const Result<Engine> engine = build("ScaledRelu", {{"factor", 3.0f}});
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  Result<ExecutionContext> context = engine->create_context();
  ASSERT_TRUE(context.is_ok());
  EXPECT_EQ(*run(*context, {1, 2}, {1, -1}), (std::vector<float>{-3, 0}));
  EXPECT_EQ(*run(*context, {2, 2}, {1, -1, 0.5, 2}), (std::vector<float>{-3, 0, -1.5, -6}));
}

TEST_F(CustomOperators, ReplacingOneLeavesLoadedEnginesAlone) {
  ASSERT_TRUE(register_operator(scaled_relu()).is_ok());
  const Result<Engine> engine = build("ScaledRelu", {{"factor", 3.0f}});
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  CustomOperator other = scaled_relu();
  other.run = [](OperatorRun&) { return Status(StatusCode::kInternal, "the other one"); };
  ASSERT_TRUE(register_operator(other).is_ok());
  Result<ExecutionContext> before = engine->create_context();
  EXPECT_EQ(*run(*before, {3, 2}, {1, 2, 3, 4, 5, -6}),
            (std::vector<float>{-3, -6, -9, -12, -15, 0}));
  const Result<Engine> reloaded = Engine::load(plan_.path());
  ASSERT_TRUE(reloaded.is_ok()) << reloaded.status().message();
  Result<ExecutionContext> after = reloaded->create_context();
  EXPECT_NE(run(*after, {1, 2}, {1, 2}).status().message().find("the other one"),
            std::string::npos);
}

TEST_F(CustomOperators, MayFindTheirOutputsShape) {
  ASSERT_TRUE(register_operator(positives()).is_ok());
  const Result<Engine> engine = build("Positives");
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  Result<ExecutionContext> context = engine->create_context();
  ASSERT_TRUE(context.is_ok());
  EXPECT_EQ(*run(*context, {2, 2}, {1, -1, -2, 4}), (std::vector<float>{-1, -4}));
  EXPECT_EQ(*run(*context, {1, 2}, {-1, -1}), std::vector<float>());
}

TEST_F(CustomOperators, WhatTheyThrowIsAnErrorAndTheContextStaysUsable) {
  ASSERT_TRUE(register_operator(positives()).is_ok());
  const Result<Engine> engine = build("Positives");
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  Result<ExecutionContext> context = engine->create_context();
  const auto failed = run(*context, {2, 2}, {1, 2, 3, -1});
  ASSERT_FALSE(failed.is_ok());
  EXPECT_NE(failed.status().message().find("three is too many"), std::string::npos);
  EXPECT_NE(failed.status().message().find("step 'mine' (com.example::Positives)"),
            std::string::npos)
      << failed.status().message();
  EXPECT_EQ(*run(*context, {1, 2}, {5, -1}), (std::vector<float>{-5}));
}

TEST_F(CustomOperators, RefusalsNameTheNode) {
  const Result<Engine> unknown = build("Unheard");
  EXPECT_EQ(unknown.status().message(),
            "'" + onnx_.path().string() +
                "': 1 operator is not supported: com.example::Unheard (node 'mine')");

  CustomOperator picky = scaled_relu();
  picky.name = "Picky";
  picky.infer = [](const OperatorAttributes&, const std::vector<OperandType>&) -> Types {
    return Status(StatusCode::kInvalidArgument, "not today");
  };
  ASSERT_TRUE(register_operator(picky).is_ok());
  const std::string message = build("Picky").status().message();
  EXPECT_NE(message.find("'mine'"), std::string::npos) << message;
  EXPECT_NE(message.find("not today"), std::string::npos) << message;
}

TEST(RegisterOperator, WantsADomainANameAndBothFunctions) {
  CustomOperator op = scaled_relu();
  op.domain = "ai.onnx";
  EXPECT_FALSE(register_operator(op).is_ok());
  op = scaled_relu();
  op.name = "";
  EXPECT_FALSE(register_operator(op).is_ok());
  op = scaled_relu();
  op.run = nullptr;
  EXPECT_FALSE(register_operator(op).is_ok());
}

}  // namespace
}  // namespace penstock::test
