// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr DataType kF32 = DataType::kFloat32;
constexpr DataType kI64 = DataType::kInt64;
using V = std::vector<double>;

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

ir::Attributes axis(int64_t value) { return attributes({{"axis", value}}); }

V run(const std::string& op, const ir::Attributes& attributes, std::vector<HostTensor> inputs,
      DataType type = kF32) {
  const auto outputs = reference({op, attributes, std::move(inputs), {type}});
  return outputs.empty() ? V() : values_of(outputs[0]);
}

TEST(GatherReference, TakesSlicesAndCountsFromTheEnd) {
  const HostTensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run("Gather", {}, {x, int64s({2}, {2, -3})}), (V{5, 6, 1, 2}));
  EXPECT_EQ(run("Gather", axis(1), {x, tensor(DataType::kInt32, {}, {-1})}), (V{2, 4, 6}));
  EXPECT_EQ(run("GatherElements", axis(1), {x, int64s({2, 1}, {1, -2})}), (V{2, 3}));
}

TEST(GatherReference, NamesTheIndexThatIsOutside) {
  const HostTensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  for (const char* op : {"Gather", "GatherElements", "GatherND"}) {
    const Status status = reference_status({op, {}, {x, int64s({1, 1}, {-4})}});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("index -4"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("3"), std::string::npos) << status.message();
  }
}

TEST(GatherReference, GatherNDWithBatches) {
  const HostTensor x = floats({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(run("GatherND", attributes({{"batch_dims", int64_t{1}}}), {x, int64s({2, 1}, {1, 0})}),
            (V{2, 3, 4, 5}));
  EXPECT_EQ(run("GatherND", {}, {x, int64s({2, 3}, {0, 0, 1, 1, -1, 0})}), (V{1, 6}));
}

TEST(ScatterReference, WritesAndReduces) {
  const HostTensor x = floats({4}, {1, 2, 3, 4});
  const HostTensor at = int64s({2}, {1, -3});
  const HostTensor updates = floats({2}, {10, 20});
  EXPECT_EQ(run("ScatterElements", {}, {x, at, updates}), (V{1, 20, 3, 4}));
  const auto reduced = [&](const char* reduction) {
    return run("ScatterElements", attributes({{"reduction", std::string(reduction)}}),
               {x, at, updates});
  };
  EXPECT_EQ(reduced("add"), (V{1, 32, 3, 4}));
  EXPECT_EQ(reduced("mul"), (V{1, 400, 3, 4}));
  EXPECT_EQ(reduced("max"), (V{1, 20, 3, 4}));
  EXPECT_EQ(reduced("min"), (V{1, 2, 3, 4}));
  EXPECT_EQ(run("ScatterND", {},
                {floats({2, 2}, {1, 2, 3, 4}), int64s({1, 1}, {-1}), floats({1, 2}, {8, 9})}),
            (V{1, 2, 8, 9}));
  EXPECT_FALSE(
      reference_status({"ScatterND", {}, {x, int64s({1, 1}, {4}), floats({1}, {0})}}).is_ok());
}

TEST(OneHotReference, LightsOnePlace) {
  const HostTensor values = floats({2}, {-1, 1});
  EXPECT_EQ(run("OneHot", {}, {int64s({3}, {0, -1, 5}), int64s({}, {2}), values}),
            (V{1, -1, -1, 1, -1, -1}));
  EXPECT_EQ(run("OneHot", axis(0), {floats({2}, {0, 1}), floats({1}, {3}), values}),
            (V{1, -1, -1, 1, -1, -1}));
}

TEST(NonZeroReference, ListsPlacesAxisByAxis) {
  const auto y = reference({"NonZero", {}, {floats({2, 2}, {0, 1, 2, 3})}, {kI64}});
  EXPECT_TRUE(matches(y[0], int64s({2, 3}, {0, 1, 1, 1, 0, 1})));
  EXPECT_EQ(run("NonZero", {}, {floats({0, 2}, {})}, kI64), V());
}

TEST(CompressReference, KeepsWhereTrue) {
  const HostTensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const HostTensor condition = tensor(DataType::kBool, {2}, {0, 1});
  EXPECT_EQ(run("Compress", axis(0), {x, condition}), (V{3, 4}));
  EXPECT_EQ(run("Compress", {}, {x, condition}), (V{2}));
}

TEST(UniqueReference, SortedOrInOrderOfAppearance) {
  const HostTensor x = floats({6}, {2, 1, 1, 3, 4, 3});
  const std::vector<DataType> types = {kF32, kI64, kI64, kI64};
  const auto sorted = reference({"Unique", {}, {x}, types});
  EXPECT_EQ(values_of(sorted[0]), (V{1, 2, 3, 4}));
  EXPECT_EQ(values_of(sorted[1]), (V{1, 0, 3, 4}));
  EXPECT_EQ(values_of(sorted[2]), (V{1, 0, 0, 2, 3, 2}));
  EXPECT_EQ(values_of(sorted[3]), (V{2, 1, 2, 1}));
  const auto first = reference({"Unique", attributes({{"sorted", int64_t{0}}}), {x}, types});
  EXPECT_EQ(values_of(first[0]), (V{2, 1, 3, 4}));
  EXPECT_EQ(values_of(first[2]), (V{0, 1, 1, 2, 3, 2}));
  EXPECT_EQ(run("Unique", axis(1), {floats({2, 3}, {3, 1, 3, 4, 2, 4})}), (V{1, 3, 2, 4}));
}

TEST(TopKReference, KeepsTheLowerIndexOfEquals) {
  const HostTensor x = floats({2, 4}, {1, 3, 3, 2, 4, 4, 0, 4});
  const auto y = reference({"TopK", attributes({{"k", int64_t{2}}}), {x}, {kF32, kI64}});
  EXPECT_TRUE(matches(y[0], floats({2, 2}, {3, 3, 4, 4})));
  EXPECT_TRUE(matches(y[1], int64s({2, 2}, {1, 2, 0, 1})));
  const auto least = reference({"TopK",
                                attributes({{"axis", int64_t{0}}, {"largest", int64_t{0}}}),
                                {x, int64s({1}, {1})},
                                {kF32, kI64}});
  EXPECT_TRUE(matches(least[1], int64s({1, 4}, {0, 0, 1, 0})));
  const auto nan = reference(
      {"TopK", attributes({{"k", int64_t{1}}}), {floats({3}, {1, std::nan(""), 2})}, {kF32, kI64}});
  EXPECT_EQ(values_of(nan[1]), (V{1}));
  EXPECT_FALSE(reference_status({"TopK", attributes({{"k", int64_t{5}}}), {x}}).is_ok());
}

TEST(IndexingRules, Shapes) {
  const Fact x = fact(kF32, "vocab, 768");
  EXPECT_EQ(infer("Gather", {}, {x, fact(kI64, "batch, seq")}).shape(), "[batch, seq, 768]");
  EXPECT_FALSE(infer("Gather", {}, {x, fact(kF32, "batch")}).status.is_ok());
  EXPECT_EQ(infer("GatherElements", axis(1), {x, fact(kI64, "vocab, 3")}).shape(), "[vocab, 3]");
  EXPECT_EQ(infer("GatherND", {}, {fact(kF32, "a, b, c"), fact(kI64, "n, 2")}).shape(), "[n, c]");
  EXPECT_EQ(infer("NonZero", {}, {fact(kF32, "a, b")}).shape(), "[2, u0]");
  EXPECT_EQ(infer("NonZero", {}, {constant_fact(int64s({3}, {1, 0, 1}))}).contents(), "[0, 2]");
  EXPECT_EQ(infer("TopK", {}, {fact(kF32, "b, n"), contents_fact("k")}, 2).shape(1), "[b, k]");
  EXPECT_EQ(infer("TopK", {}, {fact(kF32, "b, n"), fact(kI64, "1")}, 2).shape(), "[b, u0]");
  EXPECT_EQ(infer("Compress", axis(0), {fact(kF32, "a, b"), fact(DataType::kBool, "a")}).shape(),
            "[u0, b]");
  EXPECT_EQ(infer("Unique", {}, {fact(kF32, "a, b")}, 4).shape(2), "[a*b]");
  EXPECT_EQ(
      infer("OneHot", axis(0), {fact(kI64, "n"), constant_fact(floats({}, {5})), fact(kF32, "2")})
          .shape(),
      "[5, n]");
  EXPECT_EQ(
      infer("ScatterND", {}, {fact(kF32, "a, b"), fact(kI64, "n, 1"), fact(kF32, "n, b")}).shape(),
      "[a, b]");
}

}  // namespace
}  // namespace penstock::ops::test
