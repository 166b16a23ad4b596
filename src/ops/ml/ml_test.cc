// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(LabelEncoder, TakesTheLastOfEqualKeys) {
  const HostTensor keys = floats({4}, {1, 2, kNan, 1});
  const HostTensor values = int64s({4}, {10, 20, 30, 40});
  const HostTensor x = floats({2, 2}, {1, kNan, 2, 7});
  EXPECT_TRUE(matches(
      reference({"LabelEncoder", {}, {x, keys, values, int64s({1}, {-1})}, {DataType::kInt64}})[0],
      int64s({2, 2}, {40, 30, 20, -1})));
  EXPECT_FALSE(infer("LabelEncoder", {},
                     {fact(DataType::kInt64, "n"), fact(DataType::kFloat32, "2"),
                      fact(DataType::kInt64, "2"), fact(DataType::kInt64, "1")})
                   .status.is_ok());
}

// One tree: x0 <= 1 ? (x1 < 5 ? leaf 0 : leaf 1) : leaf 2.
ir::Attributes tree() {
  ir::Attributes a;
  a.set("nodes_modes", Ints{0, 1});
  a.set("nodes_featureids", Ints{0, 1});
  a.set("nodes_truenodeids", Ints{1, 0});
  a.set("nodes_trueleafs", Ints{0, 1});
  a.set("nodes_falsenodeids", Ints{2, 1});
  a.set("nodes_falseleafs", Ints{1, 1});
  a.set("leaf_targetids", Ints{0, 1, 0});
  a.set("tree_roots", Ints{0});
  a.set("n_targets", int64_t{2});
  return a;
}

OpCase tree_case(const ir::Attributes& attributes, const HostTensor& x) {
  return {"TreeEnsemble", attributes, {x, floats({2}, {1, 5}), floats({3}, {10, 20, 30})}};
}

TEST(TreeEnsemble, FollowsTheBranches) {
  const HostTensor x = floats({4, 2}, {0, 4, 1, 5, 2, 0, kNan, 0});
  EXPECT_TRUE(
      matches(reference(tree_case(tree(), x))[0], floats({4, 2}, {10, 0, 0, 20, 30, 0, 30, 0})));
  ir::Attributes missing = tree();
  missing.set("nodes_missing_value_tracks_true", Ints{1, 0});
  EXPECT_TRUE(matches(reference(tree_case(missing, floats({1, 2}, {kNan, 0})))[0],
                      floats({1, 2}, {10, 0})));
}

TEST(TreeEnsemble, AggregatesTrees) {
  const HostTensor x = floats({1, 2}, {0, 9});  // leaf 1 from the first root, also from the second
  ir::Attributes two = tree();
  two.set("tree_roots", Ints{0, 1});
  EXPECT_TRUE(matches(reference(tree_case(two, x))[0], floats({1, 2}, {0, 40})));
  two.set("aggregate_function", int64_t{0});
  EXPECT_TRUE(matches(reference(tree_case(two, x))[0], floats({1, 2}, {0, 20})));
  two.set("post_transform", int64_t{2});
  EXPECT_TRUE(matches(reference(tree_case(two, x))[0], floats({1, 2}, {0.5, 1})));
}

TEST(TreeEnsemble, SetsEndWithNan) {
  ir::Attributes member = tree();
  member.set("nodes_modes", Ints{6, 1});
  OpCase c = tree_case(member, floats({2, 2}, {3, 0, 4, 0}));
  EXPECT_FALSE(reference_status(c).is_ok());
  c.inputs.push_back(floats({3}, {3, 7, kNan}));
  EXPECT_TRUE(matches(reference(c)[0], floats({2, 2}, {10, 0, 30, 0})));
}

TEST(TreeEnsemble, BrokenTreesAreErrors) {
  const Fact x = fact(DataType::kFloat32, "n, 2");
  const std::vector<Fact> facts = {x, fact(DataType::kFloat32, "2"), fact(DataType::kFloat32, "3")};
  EXPECT_EQ(infer("TreeEnsemble", tree(), facts).shape(), "[n, 2]");
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, Ints>>{{"nodes_truenodeids", {9, 0}},
                                                 {"nodes_featureids", {0, 2}},
                                                 {"leaf_targetids", {0, 1, 2}},
                                                 {"nodes_falseleafs", {1}},
                                                 {"tree_roots", {-1}},
                                                 {"nodes_modes", {0, 7}}}) {
    ir::Attributes broken = tree();
    broken.set(name, value);
    EXPECT_FALSE(infer("TreeEnsemble", broken, facts).status.is_ok()) << name;
  }
  ir::Attributes circle = tree();
  circle.set("nodes_trueleafs", Ints{0, 0});
  circle.set("nodes_truenodeids", Ints{1, 0});
  const Status status = reference_status(tree_case(circle, floats({1, 2}, {0, 0})));
  EXPECT_NE(status.message().find("circle"), std::string::npos);
}

}  // namespace
}  // namespace penstock::ops::test
