// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <penstock/penstock.h>

#include <optional>
#include <span>

#include "import/model_testlib.h"

// A small model on a GPU, or on the stand-in where there is none.
namespace penstock::test {

inline constexpr int64_t kWidth = 256;

// Which of the two models: the root is an operator that the stand-in leaves to the CPU.
enum class With { kNothing, kRoot };

// y = softmax(x w) + x, of [batch, 256], or sqrt(softmax(x w)) + x.
inline std::string model(With with) {
  importer::ModelBuilder model;
  std::vector<float> weights(kWidth * kWidth);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 7) * 0.01f;
  model.input("x", {"batch", kWidth});
  model.initializer(importer::float_tensor("w", {kWidth, kWidth}, weights));
  model.node("MatMul", {"x", "w"}, {"p"});
  model.node("Softmax", {"p"}, {"s"}, {{"axis", int64_t{1}}});
  if (with == With::kRoot) model.node("Sqrt", {"s"}, {"r"});
  model.node("Add", {with == With::kRoot ? "r" : "s", "x"}, {"y"});
  model.output("y");
  return model.bytes();
}

inline Result<BuiltPlan> build(const std::string& device, With with = With::kNothing) {
  const std::string bytes = model(with);
  BuildOptions options;
  options.device = device;
  options.optimization_level = 0;
  options.threads = 1;
  return build_plan_in_memory(OnnxBytes{std::as_bytes(std::span<const char>(bytes)), "", "softmax"},
                              options);
}

inline std::vector<float> numbers(int64_t batch, int seed) {
  std::vector<float> x(static_cast<size_t>(batch * kWidth));
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>((i * 31 + static_cast<size_t>(seed) * 17) % 101) * 0.01f;
  }
  return x;
}

// What the reference on the CPU says.
inline std::vector<float> expected(int64_t batch, int seed, With with) {
  const Engine engine = Engine::deserialize(build("cpu", with)->plan).value();
  ExecutionContext context = engine.create_context().value();
  const std::vector<float> x = numbers(batch, seed);
  const auto outputs =
      context.run({{"x", Tensor::from<float>(DataType::kFloat32, {batch, kWidth}, std::span(x))}});
  const auto y = outputs->at("y").as<float>();
  return {y.begin(), y.end()};
}

#define OK(expression)                                     \
  do {                                                     \
    const Status status_of = (expression);                 \
    ASSERT_TRUE(status_of.is_ok()) << status_of.message(); \
  } while (false)

class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    Result<Device> device = Device::open("cuda:0");
    if (!device.is_ok()) GTEST_SKIP() << device.status().message();
    device_.emplace(*std::move(device));
    const Result<BuiltPlan> built = build("cuda:0");
    ASSERT_TRUE(built.is_ok()) << built.status().message();
    plan_.emplace(built->plan);
    Result<Engine> engine = Engine::deserialize(*plan_);
    ASSERT_TRUE(engine.is_ok()) << engine.status().message();
    engine_.emplace(*std::move(engine));
  }

  static void expect_near(const float* y, int64_t batch, int seed, With with = With::kNothing) {
    const std::vector<float> right = expected(batch, seed, with);
    for (size_t i = 0; i < right.size(); ++i) {
      ASSERT_NEAR(y[i], right[i], 1e-4)
          << "element " << i << " of batch " << batch << ", seed " << seed;
    }
  }

  void check_order(const Engine& engine, With with);

  std::optional<Device> device_;
  std::optional<Plan> plan_;
  std::optional<Engine> engine_;
};

}  // namespace penstock::test
