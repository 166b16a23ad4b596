// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/attention/simd_attention.h"

#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr DataType kFloat = DataType::kFloat32;

struct Size {
  int64_t batch, heads, queries, keys, head_size, value_size;
};

ir::Attributes attributes_of(const Size& s, const char* layout) {
  ir::Attributes attributes;
  attributes.set("layout", std::string(layout));
  attributes.set("heads", s.heads);
  attributes.set("head_size", s.head_size);
  attributes.set("value_size", s.value_size);
  return attributes;
}

OpCase heads_first(const Size& s, uint32_t seed) {
  return {"Attention",
          attributes_of(s, "bhsd"),
          {random_tensor(kFloat, {s.batch, s.heads, s.queries, s.head_size}, seed),
           random_tensor(kFloat, {s.batch, s.heads, s.keys, s.head_size}, seed + 1),
           random_tensor(kFloat, {s.batch, s.heads, s.keys, s.value_size}, seed + 2)}};
}

OpCase heads_inside(const Size& s, uint32_t seed) {
  return {"Attention",
          attributes_of(s, "bshd"),
          {random_tensor(kFloat, {s.batch, s.queries, s.heads * s.head_size}, seed),
           random_tensor(kFloat, {s.batch, s.keys, s.heads * s.head_size}, seed + 1),
           random_tensor(kFloat, {s.batch, s.keys, s.heads * s.value_size}, seed + 2)}};
}

constexpr Size kSizes[] = {
    {1, 1, 1, 1, 1, 1},        {2, 3, 5, 7, 8, 8},      {1, 2, 49, 49, 32, 32},
    {2, 2, 33, 600, 16, 24},   {1, 4, 1, 77, 64, 64},   {0, 2, 3, 3, 4, 4},
    {2, 1, 0, 3, 4, 4},        {1, 1, 130, 130, 40, 5}, {2, 3, 150, 201, 64, 64},
    {1, 2, 40, 129, 128, 128},
};

TEST(SimdAttention, MatchesReference) {
  uint32_t seed = 1;
  for (const Size& s : kSizes) {
    for (OpCase c : {heads_first(s, seed), heads_inside(s, seed + 3)}) {
      expect_matches_reference(simd_attention(), c, s.keys);
      c.attributes.set("causal", int64_t{1});
      c.attributes.set("scale", 0.3f);
      expect_matches_reference(simd_attention(), c, s.keys);
    }
    seed += 10;
  }
}

TEST(SimdAttention, Masks) {
  uint32_t seed = 100;
  for (const Size& s : kSizes) {
    const Shape shapes[] = {{s.batch, s.heads, s.queries, s.keys},
                            {s.batch, 1, 1, s.keys},
                            {1, s.heads, s.queries, s.keys},
                            {s.queries, s.keys},
                            {s.keys}};
    for (const Shape& shape : shapes) {
      for (DataType type : {kFloat, DataType::kBool}) {
        OpCase c = heads_first(s, seed++);
        c.inputs.push_back(random_tensor(type, shape, seed++));
        expect_matches_reference(simd_attention(), c, s.keys);
        c.attributes.set("nan_to_zero", int64_t{1});
        expect_matches_reference(simd_attention(), c, s.keys);
      }
    }
  }
}

TEST(SimdAttention, HiddenRowsAndCausalRowsWithoutKeys) {
  const double hidden = -std::numeric_limits<double>::infinity();
  OpCase c = heads_first({1, 1, 3, 2, 4, 4}, 7);
  c.attributes.set("causal", int64_t{1});  // query 0 sees no key
  c.inputs.push_back(floats({3, 2}, {0, 0, hidden, 0, hidden, hidden}));
  expect_matches_reference(simd_attention(), c);
  c.attributes.set("nan_to_zero", int64_t{1});
  expect_matches_reference(simd_attention(), c);
}

TEST(SimdAttention, PackedProductAndWindows) {
  const HostTensor packed = random_tensor(kFloat, {6, 49, 3 * 4 * 16}, 9);
  OpCase c{"Attention", attributes_of({6, 4, 49, 49, 16, 16}, "bshd"), {packed, packed, packed}};
  c.attributes.set("offsets", std::vector<int64_t>{0, 64, 128});
  expect_matches_reference(simd_attention(), c, 49);
  c.inputs.push_back(random_tensor(kFloat, {3, 1, 49, 49}, 10));
  expect_matches_reference(simd_attention(), c, 49);
}

TEST(SimdAttention, RefusesMasksThatRepeatAlongTheKeys) {
  OpCase c = heads_first({1, 1, 2, 3, 4, 4}, 1);
  c.inputs.push_back(floats({2, 1}, {0, 1}));
  EXPECT_EQ(simd_attention().offer(node_facts(c, reference(c))).refusal,
            "the mask repeats along the keys");
}

}  // namespace
}  // namespace penstock::ops::test
