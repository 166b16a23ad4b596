// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Values whose shapes depend on data share memory as others do: what nothing reads any more serves
// the next.
#include <gmock/gmock.h>

#include "built_model.h"

namespace penstock::test {
namespace {

using importer::ModelBuilder;

constexpr int64_t kRows = 1 << 18;
constexpr size_t kBytes = kRows * sizeof(float);

// A chain of sums and products of the elements of x that are not zero; the first of them is read
// again at the end.
ModelBuilder chain_model(int steps) {
  ModelBuilder model;
  model.input("x", {"n"})
      .initializer(importer::float_tensor("two", {}, {2}))
      .node("Cast", {"x"}, {"picked"}, {{"to", int64_t{importer::kBool}}})
      .node("Compress", {"x", "picked"}, {"v0"});
  for (int i = 0; i < steps; ++i) {
    // Softmax stays a node of its own.
    const std::string in = "v" + std::to_string(i);
    model.node("Softmax", {in}, {"s" + std::to_string(i)}, {{"axis", int64_t{0}}})
        .node("Mul", {"s" + std::to_string(i), in}, {"v" + std::to_string(i + 1)});
  }
  return model.node("Add", {"v" + std::to_string(steps), "v0"}, {"y"}).output("y");
}

TEST(LateMemory, IsSharedAlongAChain) {
  Result<ExecutionContext> context = context_of(chain_model(20));
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  Tensor x(DataType::kFloat32, {kRows});
  for (float& value : x.as<float>()) value = 1;
  size_t held = 0;
  for (int run = 0; run < 3; ++run) {
    const auto outputs = context->run({{"x", x}});
    ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
    ASSERT_EQ(outputs->at("y").shape(), Shape{kRows});
    // Each step multiplies by 1 / n: what is left of the last is next to nothing.
    EXPECT_FLOAT_EQ(outputs->at("y").as<float>()[kRows - 1], 1);
    // A second run finds the buffers otherwise taken, a third as the second.
    if (run < 2) held = context->memory_bytes();
    EXPECT_EQ(context->memory_bytes(), held);
  }
  // The first value, the last two, and the output; 42 values in all.
  EXPECT_LE(held, 8 * kBytes);
}

}  // namespace
}  // namespace penstock::test
