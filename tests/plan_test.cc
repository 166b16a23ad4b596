// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The public API from an ONNX file to answers: build, load, profile, contexts.
#include <fstream>
#include <iterator>
#include <span>

#include "shipped_model.h"

namespace penstock::test {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Plan : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(engine_.is_ok()) << engine_.message(); }
  ResNet20 engine_{2};
};

TEST_F(Plan, TellsItsInputsOutputsAndProfile) {
  ASSERT_EQ(engine_->inputs().size(), 1U);
  EXPECT_EQ(engine_->inputs()[0].name, "images");
  EXPECT_EQ(engine_->inputs()[0].dtype, DataType::kFloat32);
  EXPECT_EQ(engine_->inputs()[0].shape, (Shape{-1, 3, 32, 32}));
  EXPECT_EQ(engine_->inputs()[0].dims[0], "batch");
  ASSERT_EQ(engine_->outputs().size(), 1U);
  EXPECT_EQ(engine_->outputs()[0].shape, (Shape{-1, 10}));
  EXPECT_EQ(engine_->profile().inputs.at("images").max, (Shape{8, 3, 32, 32}));
  EXPECT_EQ(engine_->threads(), 2);
  EXPECT_LT(engine_->step_count(), 45U);  // of 75 ONNX nodes
  EXPECT_GT(engine_->weight_bytes(), 1000000U);
}

TEST_F(Plan, SameBuildGivesTheSameBytes) {
  const TemporaryFile first("first.plan");
  const TemporaryFile second("second.plan");
  ASSERT_TRUE(build_resnet20(first.path(), 2).is_ok());
  ASSERT_TRUE(build_resnet20(second.path(), 2).is_ok());
  EXPECT_EQ(read_file(first.path()), read_file(second.path()));
}

TEST_F(Plan, BuildsInMemoryTheSameBytes) {
  const TemporaryFile file("same.plan");
  ASSERT_TRUE(build_resnet20(file.path(), 2).is_ok());
  BuildOptions options;
  options.optimization_level = 0;
  options.threads = 2;
  options.profile.inputs["images"].max = {8, 3, 32, 32};
  const std::string onnx = read_file(resnet20_onnx());
  const OnnxBytes model{std::as_bytes(std::span<const char>(onnx)), "", ""};
  for (const Result<BuiltPlan>& built :
       {build_plan_in_memory(model, options), build_plan_in_memory(resnet20_onnx(), options)}) {
    ASSERT_TRUE(built.is_ok()) << built.status().message();
    const auto* bytes = reinterpret_cast<const char*>(built->plan.data());
    EXPECT_TRUE(std::string(bytes, built->plan.size()) == read_file(file.path()));
    EXPECT_EQ(built->summary.plan_bytes, built->plan.size());
  }
  options.stop_after = "import";
  EXPECT_EQ(build_plan_in_memory(model, options).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Plan, RowsDoNotDependOnTheirBatch) {
  Result<ExecutionContext> context = engine_->create_context();
  ASSERT_TRUE(context.is_ok());
  const Tensor images = random_images(4, 0);
  const auto four = context->run({{"images", images}});
  ASSERT_TRUE(four.is_ok()) << four.status().message();
  const size_t row = 3 * 32 * 32;
  for (size_t i = 0; i < 4; ++i) {
    const Tensor one = Tensor::from<float>(DataType::kFloat32, {1, 3, 32, 32},
                                           images.as<float>().subspan(i * row, row));
    const auto alone = context->run({{"images", one}});
    ASSERT_TRUE(alone.is_ok()) << alone.status().message();
    for (size_t k = 0; k < 10; ++k) {
      EXPECT_NEAR(alone->at("logits").as<float>()[k], four->at("logits").as<float>()[i * 10 + k],
                  1e-3);
    }
  }
}

TEST_F(Plan, ShapesOutsideTheProfileAreRefusedByName) {
  Result<ExecutionContext> context = engine_->create_context();
  const Status batch = context->set_input_shape("images", {9, 3, 32, 32});
  EXPECT_EQ(batch.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(batch.message().find("'images'"), std::string::npos) << batch.message();
  EXPECT_NE(batch.message().find("0 to 8"), std::string::npos) << batch.message();
  EXPECT_FALSE(context->set_input_shape("images", {1, 3, 32, 31}).is_ok());
  EXPECT_FALSE(context->set_input_shape("images", {3, 32, 32}).is_ok());
  const Status name = context->set_input_shape("image", {1, 3, 32, 32});
  EXPECT_NE(name.message().find("did you mean 'images'"), std::string::npos) << name.message();
  EXPECT_TRUE(context->run({{"images", random_images(1, 0)}}).is_ok());
}

TEST_F(Plan, RunsNeedTheirInputs) {
  Result<ExecutionContext> context = engine_->create_context();
  EXPECT_FALSE(context->run().is_ok());
  EXPECT_FALSE(context->run({}).is_ok());
  EXPECT_FALSE(context->run({{"images", Tensor(DataType::kInt64, {1, 3, 32, 32})}}).is_ok());
  EXPECT_FALSE(context->output("logits").is_ok());
}

TEST_F(Plan, TensorShapesFollowTheInputs) {
  Result<ExecutionContext> context = engine_->create_context();
  for (int64_t batch : {1, 5, 2}) {
    ASSERT_TRUE(context->set_input_shape("images", {batch, 3, 32, 32}).is_ok());
    const Result<Shape> shape = context->tensor_shape("logits");
    ASSERT_TRUE(shape.is_ok()) << shape.status().message();
    EXPECT_EQ(*shape, (Shape{batch, 10}));
  }
}

TEST_F(Plan, ScratchMemoryFollowsTheActualShape) {
  Result<ExecutionContext> small = engine_->create_context();
  Result<ExecutionContext> large = engine_->create_context();
  ASSERT_TRUE(small->run({{"images", random_images(1, 0)}}).is_ok());
  ASSERT_TRUE(large->run({{"images", random_images(8, 0)}}).is_ok());
  EXPECT_LT(small->memory_bytes() * 4, large->memory_bytes());
}

TEST_F(Plan, AnEmptyBatchGivesEmptyOutputs) {
  Result<ExecutionContext> context = engine_->create_context();
  const auto outputs = context->run({{"images", Tensor(DataType::kFloat32, {0, 3, 32, 32})}});
  ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
  EXPECT_EQ(outputs->at("logits").shape(), (Shape{0, 10}));
  EXPECT_TRUE(context->run({{"images", random_images(1, 0)}}).is_ok());
}

class CountingProfiler : public Profiler {
 public:
  void report_step(std::string_view, double milliseconds) override {
    ++steps;
    total += milliseconds;
  }
  size_t steps = 0;
  double total = 0;
};

TEST_F(Plan, ProfilerSeesEveryStep) {
  Result<ExecutionContext> context = engine_->create_context();
  CountingProfiler profiler;
  context->set_profiler(&profiler);
  ASSERT_TRUE(context->run({{"images", random_images(1, 0)}}).is_ok());
  EXPECT_EQ(profiler.steps, engine_->step_count());
  EXPECT_GT(profiler.total, 0);
}

TEST(PlanErrors, MissingFilesAreNotFound) {
  EXPECT_EQ(Engine::load("no/such.plan").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(build_plan("no/such.onnx", "x.plan").status().code(), StatusCode::kNotFound);
}

TEST(PlanErrors, CancelledBuildLeavesNoFile) {
  const TemporaryFile plan("cancelled.plan");
  BuildOptions options;
  options.cancelled = [] { return true; };
  EXPECT_EQ(build_plan(resnet20_onnx(), plan.path(), options).status().code(),
            StatusCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(plan.path()));
}

}  // namespace
}  // namespace penstock::test
