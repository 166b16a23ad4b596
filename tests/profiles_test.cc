// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Several profiles in one plan, and the values of shape inputs.
#include <atomic>
#include <functional>
#include <numeric>
#include <span>
#include <thread>

#include "built_model.h"
#include "shipped_model.h"

namespace penstock::test {
namespace {

using importer::kInt64;
using importer::ModelBuilder;

// One image, and two to eight.
BuildOptions two_profiles() {
  BuildOptions options = unmeasured();
  options.profiles.resize(2);
  options.profiles[0].inputs["images"] = {{1, 3, 32, 32}, {1, 3, 32, 32}, {1, 3, 32, 32}};
  options.profiles[1].inputs["images"] = {{2, 3, 32, 32}, {8, 3, 32, 32}, {8, 3, 32, 32}};
  return options;
}

std::vector<float> logits(ExecutionContext& context, int64_t batch, uint32_t seed = 0) {
  const auto outputs = context.run({{"images", random_images(batch, seed)}});
  return outputs.is_ok() ? to_vector(outputs->at("logits")) : std::vector<float>();
}

bool mentions(const Status& status, const std::vector<std::string>& texts) {
  return !status.is_ok() && std::all_of(texts.begin(), texts.end(), [&](const std::string& text) {
    return status.message().find(text) != std::string::npos;
  });
}

class Profiles : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    both_ = new Engine(
        Engine::deserialize(build_plan_in_memory(resnet20_onnx(), two_profiles())->plan).value());
    one_ = new Engine(
        Engine::deserialize(build_plan_in_memory(resnet20_onnx(), unmeasured())->plan).value());
  }
  static void TearDownTestSuite() {
    delete both_;
    delete one_;
  }

  static std::vector<float> expected(int64_t batch, uint32_t seed = 0) {
    ExecutionContext context = one_->create_context().value();
    return logits(context, batch, seed);
  }

  static Engine* both_;
  static Engine* one_;
};

Engine* Profiles::both_ = nullptr;
Engine* Profiles::one_ = nullptr;

TEST_F(Profiles, ShareOneWeightsSection) {
  ASSERT_EQ(both_->profiles().size(), 2U);
  EXPECT_EQ(both_->profiles()[0].inputs.at("images").max, (Shape{1, 3, 32, 32}));
  EXPECT_EQ(both_->profiles()[1].inputs.at("images").opt, (Shape{8, 3, 32, 32}));
  EXPECT_EQ(both_->step_count(0), one_->step_count());
  EXPECT_EQ(both_->step_count(1), one_->step_count());
  EXPECT_EQ(both_->weight_bytes(), one_->weight_bytes());
}

TEST_F(Profiles, SameBuildGivesTheSameBytes) {
  const Result<BuiltPlan> first = build_plan_in_memory(resnet20_onnx(), two_profiles());
  const Result<BuiltPlan> second = build_plan_in_memory(resnet20_onnx(), two_profiles());
  ASSERT_TRUE(first.is_ok() && second.is_ok());
  EXPECT_EQ(first->summary.profiles, 2);
  ASSERT_EQ(first->plan.size(), second->plan.size());
  EXPECT_TRUE(
      std::equal(first->plan.data(), first->plan.data() + first->plan.size(), second->plan.data()));
}

TEST_F(Profiles, TheFirstThatFitsIsChosen) {
  ExecutionContext context = both_->create_context().value();
  EXPECT_EQ(context.optimization_profile(), -1);
  for (const int64_t batch : {1, 2, 8, 1, 3}) {
    EXPECT_EQ(logits(context, batch), expected(batch)) << batch;
    EXPECT_EQ(context.optimization_profile(), batch == 1 ? 0 : 1) << batch;
  }
}

TEST_F(Profiles, AContextMayStayWithOne) {
  ContextOptions options;
  options.profile = 1;
  ExecutionContext context = both_->create_context(options).value();
  EXPECT_EQ(context.optimization_profile(), 1);
  EXPECT_TRUE(mentions(context.set_input_shape("images", {1, 3, 32, 32}),
                       {"'images'", "[1, 3, 32, 32]", "outside profile 1, 2 to 8"}));
  EXPECT_EQ(logits(context, 4), expected(4));
  ASSERT_TRUE(context.set_optimization_profile(0).is_ok());
  // The shape stays; it does not fit this profile.
  EXPECT_TRUE(mentions(context.run(), {"outside profile 0, 1 to 1"}));
  EXPECT_EQ(logits(context, 1), expected(1));
  ASSERT_TRUE(context.set_optimization_profile(kAutomaticProfile).is_ok());
  EXPECT_EQ(logits(context, 5), expected(5));
}

TEST_F(Profiles, ProfilesThatAreNotThereAreRefused) {
  ContextOptions options;
  options.profile = 2;
  EXPECT_TRUE(mentions(both_->create_context(options).status(), {"no profile 2", "has 2"}));
  ExecutionContext context = both_->create_context().value();
  EXPECT_FALSE(context.set_optimization_profile(-2).is_ok());
  EXPECT_EQ(logits(context, 1), expected(1));
}

TEST_F(Profiles, ShapesOutsideAllNameTheLimitsOfEach) {
  ExecutionContext context = both_->create_context().value();
  EXPECT_TRUE(mentions(context.set_input_shape("images", {9, 3, 32, 32}),
                       {"'images' of shape [9, 3, 32, 32] is outside every profile",
                        "profile 0 takes [1, 3, 32, 32] to [1, 3, 32, 32]",
                        "profile 1 takes [2, 3, 32, 32] to [8, 3, 32, 32]"}));
  EXPECT_EQ(logits(context, 2), expected(2));
}

TEST_F(Profiles, ScratchShrinksWithTheShape) {
  ExecutionContext context = both_->create_context().value();
  ASSERT_FALSE(logits(context, 8).empty());
  const size_t large = context.memory_bytes();
  ASSERT_FALSE(logits(context, 1).empty());
  EXPECT_LT(context.memory_bytes() * 4, large);
}

TEST_F(Profiles, AddressesStayOverASwitch) {
  ExecutionContext context = both_->create_context().value();
  Tensor images = random_images(2, 3);
  Tensor answers(DataType::kFloat32, {2, 10});
  ASSERT_TRUE(context.set_tensor_address("images", images.data()).is_ok());
  ASSERT_TRUE(context.set_tensor_address("logits", answers.data()).is_ok());
  for (const int64_t batch : {1, 2}) {
    ASSERT_TRUE(context.set_input_shape("images", {batch, 3, 32, 32}).is_ok());
    ASSERT_TRUE(context.run().is_ok());
    EXPECT_EQ(context.optimization_profile(), batch - 1);
    EXPECT_EQ(context.output("logits")->data, answers.data());
  }
  EXPECT_EQ(to_vector(answers), expected(2, 3));
}

TEST_F(Profiles, ThreadsOnProfilesOfTheirOwn) {
  const std::vector<float> wanted[] = {expected(1), expected(2)};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      ContextOptions options;
      options.profile = t;
      ExecutionContext context = both_->create_context(options).value();
      for (int i = 0; i < 4; ++i) wrong += logits(context, t + 1) != wanted[t];
    });
  }
  threads.emplace_back([&] {
    ExecutionContext context = both_->create_context().value();
    for (int i = 0; i < 4; ++i) wrong += logits(context, i % 2 + 1) != wanted[i % 2];
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ProfileErrors, NameTheProfileAndWhatIsWrong) {
  BuildOptions options = two_profiles();
  options.profiles[1].inputs["images"].min = {9, 3, 32, 32};
  EXPECT_TRUE(mentions(build_plan_in_memory(resnet20_onnx(), options).status(),
                       {"profile 1", "'images'", "min <= opt <= max, has 9, 8, 8"}));
  options = two_profiles();
  options.profile.inputs["images"].max = {8, 3, 32, 32};
  EXPECT_TRUE(mentions(build_plan_in_memory(resnet20_onnx(), options).status(), {"give one"}));
}

TEST(ProfileErrors, InputsThatFitNoProfileTogether) {
  ModelBuilder model;
  model.input("a", {"n"}).input("b", {"m"});
  model.node("Sum", {"a", "b"}, {"c"}).output("c");
  BuildOptions options = unmeasured();
  options.profiles.resize(2);
  options.profiles[0].inputs = {{"a", {{1}, {1}, {1}}}, {"b", {{1}, {1}, {1}}}};
  options.profiles[1].inputs = {{"a", {{4}, {4}, {4}}}, {"b", {{4}, {4}, {4}}}};
  ExecutionContext context = context_of(model, options).value();
  const Tensor one(DataType::kFloat32, {1});
  const Tensor four(DataType::kFloat32, {4});
  EXPECT_TRUE(mentions(context.run({{"a", one}, {"b", four}}).status(),
                       {"no profile takes 'a' of shape [1], 'b' of shape [4] together",
                        "'b': profile 0 takes [1] to [1]; profile 1 takes [4] to [4]"}));
  EXPECT_TRUE(context.run({{"a", four}, {"b", four}}).is_ok());
}

// y = softmax of the 12 elements of x over the rows of the shape that an input holds.
ModelBuilder reshape() {
  ModelBuilder model;
  model.input("x", {12}).input("shape", {2}, kInt64);
  model.node("Reshape", {"x", "shape"}, {"r"});
  model.node("Softmax", {"r"}, {"y"}, {{"axis", int64_t{0}}});
  model.output("y");
  return model;
}

Tensor counted() {
  Tensor x(DataType::kFloat32, {12});
  std::iota(x.as<float>().begin(), x.as<float>().end(), 0.0f);
  return x;
}

Result<Tensor> reshaped(ExecutionContext& context, std::vector<int64_t> shape) {
  const Tensor values = Tensor::from<int64_t>(
      DataType::kInt64, {static_cast<int64_t>(shape.size())}, std::span<const int64_t>(shape));
  auto outputs = context.run({{"x", counted()}, {"shape", values}});
  PENSTOCK_RETURN_IF_ERROR(outputs.status());
  return outputs->at("y");
}

class ShapeInputs : public testing::Test {
 protected:
  static BuildOptions limited(std::vector<int64_t> min) {
    BuildOptions options = unmeasured();
    options.profile.values["shape"] = {std::move(min), {3, 4}, {12, 12}};
    return options;
  }
};

TEST_F(ShapeInputs, TellShapesBeforeTheRun) {
  ExecutionContext context = context_of(reshape(), limited({1, 1})).value();
  EXPECT_EQ(*context.tensor_shape("y"), (Shape{-1, -1}));
  Tensor values(DataType::kInt64, {2});
  ASSERT_TRUE(context.set_tensor_address("shape", values.data()).is_ok());
  for (const int64_t rows : {3, 2, 12, 3}) {
    values.as<int64_t>()[0] = rows;
    values.as<int64_t>()[1] = 12 / rows;
    EXPECT_EQ(*context.tensor_shape("y"), (Shape{rows, 12 / rows}));
  }
}

TEST_F(ShapeInputs, ValuesMayChangeFromRunToRun) {
  ExecutionContext context = context_of(reshape(), limited({1, 1})).value();
  Tensor x = counted();
  Tensor values(DataType::kInt64, {2});
  ASSERT_TRUE(context.set_tensor_address("x", x.data()).is_ok());
  ASSERT_TRUE(context.set_tensor_address("shape", values.data()).is_ok());
  for (const int64_t rows : {1, 6, 1}) {
    values.as<int64_t>()[0] = rows;
    values.as<int64_t>()[1] = 12 / rows;
    ASSERT_TRUE(context.run().is_ok());
    const OutputView y = *context.output("y");
    EXPECT_EQ(y.shape, (Shape{rows, 12 / rows}));
    // The softmax of a single row is 1; of rows two apart, e^2 outweighs e^0 and so on.
    const float last = static_cast<const float*>(y.data)[11];
    EXPECT_NEAR(last, rows == 1 ? 1.0f : 0.8646703f, 1e-6);
  }
}

TEST_F(ShapeInputs, ValuesOutsideAreRefusedByName) {
  ExecutionContext context = context_of(reshape(), limited({1, 1})).value();
  EXPECT_TRUE(mentions(reshaped(context, {13, 1}).status(),
                       {"'shape' holds [13, 1]", "value 0 is outside the profile, 1 to 12"}));
  EXPECT_TRUE(mentions(reshaped(context, {3, -1}).status(), {"value 1", "1 to 12"}));
  EXPECT_TRUE(mentions(reshaped(context, {5, 5}).status(), {"[5, 5]", "'x'", "[12]"}));
  EXPECT_EQ(reshaped(context, {3, 4})->shape(), (Shape{3, 4}));
}

TEST_F(ShapeInputs, WithoutARangeAllThatTheModelTakesRuns) {
  ExecutionContext context = context_of(reshape()).value();
  EXPECT_EQ(reshaped(context, {-1, 4})->shape(), (Shape{3, 4}));
  EXPECT_EQ(reshaped(context, {2, 6})->shape(), (Shape{2, 6}));
}

TEST_F(ShapeInputs, ARangeWithMinusOneIsCheckedAndRuns) {
  ExecutionContext context = context_of(reshape(), limited({-1, 1})).value();
  EXPECT_EQ(reshaped(context, {-1, 4})->shape(), (Shape{3, 4}));
  EXPECT_TRUE(mentions(reshaped(context, {3, -1}).status(), {"value 1", "1 to 12"}));
}

TEST_F(ShapeInputs, ElementsMustBeEnoughForAFixedShape) {
  ModelBuilder model;
  model.input("x", {"n"}).initializer(importer::int64_tensor("shape", {3, 4}));
  model.node("Reshape", {"x", "shape"}, {"r"}).node("Relu", {"r"}, {"y"}).output("y");
  ExecutionContext context = context_of(model).value();
  EXPECT_TRUE(mentions(context.run({{"x", Tensor(DataType::kFloat32, {5})}}).status(),
                       {"[3, 4]", "'x'", "[5]"}));
  EXPECT_TRUE(context.run({{"x", counted()}}).is_ok());
}

TEST_F(ShapeInputs, ShapesThatCannotBeAreValues) {
  BuildOptions options = unmeasured();
  options.profile.inputs["shape"] = {{1, 1}, {3, 4}, {6, 12}};
  const Engine engine = engine_of(reshape(), options).value();
  EXPECT_EQ(engine.profile().values.at("shape").max, (std::vector<int64_t>{6, 12}));
  EXPECT_EQ(engine.profile().inputs.count("shape"), 0U);
  options.profile.inputs["shape"] = {{2}, {2}, {2}};  // its own shape
  EXPECT_TRUE(engine_of(reshape(), options)->profile().values.empty());
}

TEST_F(ShapeInputs, ChooseTheProfileToo) {
  BuildOptions options = unmeasured();
  options.profiles.resize(2);
  options.profiles[0].values["shape"] = {{1, 1}, {3, 4}, {3, 12}};
  options.profiles[1].values["shape"] = {{4, 1}, {6, 2}, {12, 3}};
  ExecutionContext context = context_of(reshape(), options).value();
  EXPECT_EQ(reshaped(context, {2, 6})->shape(), (Shape{2, 6}));
  EXPECT_EQ(context.optimization_profile(), 0);
  EXPECT_EQ(reshaped(context, {12, 1})->shape(), (Shape{12, 1}));
  EXPECT_EQ(context.optimization_profile(), 1);
  EXPECT_TRUE(mentions(reshaped(context, {6, 6}).status(),
                       {"no profile takes", "'shape' that holds [6, 6]",
                        "profile 0 takes [1, 1] to [3, 12]; profile 1 takes [4, 1] to [12, 3]"}));
}

TEST_F(ShapeInputs, ScalarsOfInt32) {
  ModelBuilder model;
  model.input("n", {}, onnx::TensorProto::INT32);
  model.node("Cast", {"n"}, {"long"}, {{"to", int64_t{kInt64}}});
  model.initializer(importer::int64_tensor("zero", {0}));
  model.initializer(importer::int64_tensor("axes", {0}));
  model.node("Unsqueeze", {"long", "axes"}, {"shape"});
  model.node("ConstantOfShape", {"shape"}, {"y"}).output("y");
  BuildOptions options = unmeasured();
  options.profile.values["n"] = {{1}, {4}, {}};
  ExecutionContext context = context_of(model, options).value();
  for (const int32_t n : {4, 1, 100000}) {
    const Tensor scalar = Tensor::from<int32_t>(DataType::kInt32, {}, std::span(&n, 1));
    const auto outputs = context.run({{"n", scalar}});
    ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
    EXPECT_EQ(outputs->at("y").shape(), (Shape{n}));
  }
  const int32_t none = 0;
  const Tensor zero = Tensor::from<int32_t>(DataType::kInt32, {}, std::span(&none, 1));
  EXPECT_TRUE(mentions(context.run({{"n", zero}}).status(), {"value 0", "1 to any"}));
}

TEST_F(ShapeInputs, RangesThatMakeNoSenseAreRefused) {
  const auto refused = [](const std::string& input, const ValueRange& range) {
    BuildOptions options = unmeasured();
    options.profile.values[input] = range;
    return build_model(reshape(), options).status();
  };
  EXPECT_TRUE(mentions(refused("shape", {{1}, {1}, {1}}), {"'shape'", "1 values", "2 elements"}));
  EXPECT_TRUE(mentions(refused("shape", {{1, 5}, {1, 4}, {9, 9}}), {"value 1", "min <= opt"}));
  EXPECT_TRUE(mentions(refused("x", {{1}, {1}, {1}}), {"'x'", "int32 or int64", "float32[12]"}));
  EXPECT_TRUE(mentions(refused("shapes", {{1}, {1}, {1}}), {"did you mean 'shape'"}));
}

// Takes memory from a vector and remembers the shape.
class KeepingAllocator : public OutputAllocator {
 public:
  void* allocate(std::string_view, const Shape& shape, size_t bytes) override {
    last = shape;
    memory.resize((bytes + 7) / 8);
    return gives ? memory.data() : nullptr;
  }
  Shape last;
  std::vector<int64_t> memory;
  bool gives = true;
};

TEST(OutputAllocators, GiveMemoryOfTheRightSize) {
  ModelBuilder model;
  model.input("x", {"n"});
  model.node("NonZero", {"x"}, {"y"}).output("y");
  BuildOptions options = unmeasured();
  options.profiles.resize(2);
  options.profiles[0].inputs["x"] = {{1}, {4}, {4}};
  options.profiles[1].inputs["x"] = {{5}, {8}, {8}};
  ExecutionContext context = context_of(model, options).value();
  KeepingAllocator allocator;
  ASSERT_TRUE(context.set_output_allocator("y", &allocator).is_ok());
  for (const int64_t n : {3, 6, 2}) {
    Tensor x(DataType::kFloat32, {n});
    x.as<float>().back() = 1;
    ASSERT_TRUE(context.set_input_shape("x", {n}).is_ok());
    ASSERT_TRUE(context.set_tensor_address("x", x.data()).is_ok());
    ASSERT_TRUE(context.run().is_ok());
    EXPECT_EQ(context.optimization_profile(), n > 4 ? 1 : 0);
    EXPECT_EQ(allocator.last, (Shape{1, 1}));
    EXPECT_EQ(allocator.memory, (std::vector<int64_t>{n - 1}));
    allocator.gives = false;
    EXPECT_TRUE(mentions(context.run(), {"output allocator gave no memory for 'y'"}));
    allocator.gives = true;
  }
}

}  // namespace
}  // namespace penstock::test
