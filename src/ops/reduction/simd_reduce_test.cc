// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reduction/simd_reduce.h"

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

ir::Attributes axes(std::vector<int64_t> list, int64_t keepdims = 1) {
  ir::Attributes attributes;
  attributes.set("axes", std::move(list));
  attributes.set("keepdims", keepdims);
  return attributes;
}

constexpr const char* kOps[] = {"ReduceSum",  "ReduceMean", "ReduceMax",       "ReduceMin",
                                "ReduceProd", "ReduceL2",   "ReduceSumSquare", "ReduceLogSum"};

TEST(SimdReduce, MatchesReferenceOverAnyAxes) {
  const std::pair<Shape, std::vector<int64_t>> cases[] = {
      {{7, 33}, {1}},         {{7, 33}, {0}},
      {{3, 5, 17}, {1}},      {{3, 5, 4, 9}, {0, 2}},
      {{3, 5, 4, 9}, {1, 3}}, {{2, 3, 1, 7, 2}, {0, 2, 4}},
      {{1, 1}, {0, 1}},       {{4, 1, 6}, {1}},
      {{0, 3}, {1}},          {{100}, {}},
      {{2, 64, 49}, {-1}},    {{6, 300}, {0}},
  };
  uint32_t seed = 1;
  for (const auto& [shape, list] : cases) {
    for (const char* op : kOps) {
      const HostTensor x = random_tensor(DataType::kFloat32, shape, seed++, 0.5, 1.5);
      expect_matches_reference(simd_reduce(), {op, axes(list, seed % 2), {x}}, 100);
    }
  }
}

TEST(SimdReduce, SplitsLongReductionsBetweenThreads) {
  const HostTensor row = random_tensor(DataType::kFloat32, {1, 70001}, 5);
  const HostTensor narrow = random_tensor(DataType::kFloat32, {30001, 3}, 6);
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceSumSquare"}) {
    OpCase c{op, axes({0, 1}), {row}};
    c.threads = 3;
    expect_matches_reference(simd_reduce(), c, 70000);
    c.inputs = {narrow};
    c.attributes = axes({0});
    expect_matches_reference(simd_reduce(), c, 30000);
  }
}

TEST(SimdReduce, NothingGivesTheIdentity) {
  const HostTensor x = floats({2, 0, 3}, {});
  for (const char* op : {"ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"}) {
    expect_matches_reference(simd_reduce(), {op, axes({1}), {x}});
    expect_matches_reference(simd_reduce(), {op, axes({}), {x}});
  }
}

TEST(SimdReduce, SingleElementsAreStillTransformed) {
  ir::Attributes none;
  none.set("noop_with_empty_axes", int64_t{1});
  expect_gives(simd_reduce(), {"ReduceSumSquare", none, {floats({3}, {1, -2, 3})}},
               {floats({3}, {1, 4, 9})});
}

TEST(SimdReduce, RefusesUnknownAxes) {
  const OpCase c{"ReduceSum", {}, {floats({3}, {1, 2, 3}), int64s({1}, {0})}};
  EXPECT_EQ(simd_reduce().offer(node_facts(c, reference(c))).refusal,
            "the axes are known only at run time");
}

}  // namespace
}  // namespace penstock::ops::test
