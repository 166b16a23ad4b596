// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Damaged models: any answer but a crash.
#include <gtest/gtest.h>

#include <random>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

std::string valid_model() {
  onnx::GraphProto branch;
  *branch.add_node() = make_node("Relu", {"a"}, {"b"});
  branch.add_output()->set_name("b");
  const onnx::TensorProto weights = float_tensor("w", {4, 3, 1, 1}, std::vector<float>(12, 0.5f));
  return ModelBuilder(13)
      .input("x", {"n", 3, 8, 8})
      .input("c", {}, kBool)
      .initializer(weights)
      .initializer(int64_tensor("shape", {0, -1}))
      .initializer(int64_tensor("one", {1}))
      .initializer(int64_tensor("two", {2}))
      .node("Conv", {"x", "w"}, {"a"}, {{"strides", std::vector<int64_t>{2, 2}}})
      .node("If", {"c"}, {"d"}, {{"then_branch", branch}, {"else_branch", branch}})
      .node("MaxPool", {"d"}, {"e"}, {{"kernel_shape", std::vector<int64_t>{2, 2}}})
      .node("Slice", {"e", "one", "two", "one"}, {"f"})
      .node("Reshape", {"f", "shape"}, {"g"})
      .node("Unsqueeze", {"g", "one"}, {"h"})
      .node("Softmax", {"h"}, {"i"}, {{"axis", int64_t{1}}})
      .node("ReduceMean", {"i"}, {"j"}, {{"axes", std::vector<int64_t>{2}}})
      .node("Concat", {"j", "j"}, {"y"}, {{"axis", int64_t{-1}}})
      .output("y")
      .bytes();
}

TEST(Damage, TheModelIsValidAtFirst) {
  const Result<ir::Graph> graph = import_bytes(valid_model());
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
}

TEST(Damage, TruncationAtEveryByteIsAnError) {
  const std::string model = valid_model();
  for (size_t size = 0; size < model.size(); ++size) {
    EXPECT_FALSE(import_bytes(model.substr(0, size)).is_ok()) << size << " bytes";
  }
}

TEST(Damage, FlippedBytesDoNotCrash) {
  const std::string model = valid_model();
  std::mt19937 random(20240607);
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = model;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    const Result<ir::Graph> graph = import_bytes(damaged);
    EXPECT_EQ(graph.is_ok(), graph.status().message().empty());
  }
}

}  // namespace
}  // namespace penstock::importer
