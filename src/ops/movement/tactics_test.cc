// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/movement/tactics.h"

#include <random>

#include "backends/cpu/cpu_stream.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;
using ir::Layout;

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

const std::vector<DataType> kTypes = {DataType::kFloat32, DataType::kInt8, DataType::kBFloat16,
                                      DataType::kInt64};

OpCase unary(const char* op, ir::Attributes attributes, const Shape& shape,
             DataType type = DataType::kFloat32) {
  return {op, std::move(attributes), {random_tensor(type, shape, 7, -90, 90)}, {type}};
}

size_t form_count(const backends::Tactic& tactic, const OpCase& c) {
  return tactic.offer(node_facts(c, reference(c))).forms.size();
}

TEST(SimdTranspose, RandomPermutations) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    const size_t rank = round % 6;
    Shape shape;
    Ints perm;
    for (size_t d = 0; d < rank; ++d) {
      shape.push_back(std::uniform_int_distribution<int64_t>(round % 10 == 0 ? 0 : 1, 9)(random));
      perm.push_back(static_cast<int64_t>(d));
    }
    std::shuffle(perm.begin(), perm.end(), random);
    expect_matches_reference(simd_transpose(), unary("Transpose", attributes({{"perm", perm}}),
                                                     shape, kTypes[round % kTypes.size()]));
  }
}

TEST(SimdTranspose, LargeMatricesAndAttentionHeads) {
  for (DataType type : kTypes) {
    expect_matches_reference(simd_transpose(), unary("Transpose", {}, {131, 257}, type));
    expect_matches_reference(
        simd_transpose(),
        unary("Transpose", attributes({{"perm", Ints{0, 2, 1, 3}}}), {2, 65, 4, 32}, type));
    expect_matches_reference(
        simd_transpose(),
        unary("Transpose", attributes({{"perm", Ints{0, 3, 1, 2}}}), {1, 40, 50, 3}, type));
  }
}

TEST(SimdConcat, EveryAxisAndLayout) {
  for (int64_t axis = 0; axis < 4; ++axis) {
    for (int64_t channels : {3, 8, 16}) {
      OpCase c = {"Concat", attributes({{"axis", axis}})};
      for (int64_t extent : {channels, int64_t{16}, int64_t{5}}) {
        Shape shape = {2, channels, 3, 7};
        shape[axis] = extent;
        c.inputs.push_back(random_tensor(DataType::kFloat32, shape, 5));
      }
      expect_matches_reference(simd_concat(), c);
    }
  }
}

TEST(SimdConcat, BlockedWhereBlocksStayWhole) {
  const auto with_channels = [](int64_t first, int64_t second) {
    return OpCase{"Concat",
                  attributes({{"axis", int64_t{1}}}),
                  {random_tensor(DataType::kFloat32, {1, first, 2, 2}, 1),
                   random_tensor(DataType::kFloat32, {1, second, 2, 2}, 2)}};
  };
  EXPECT_EQ(form_count(simd_concat(), with_channels(16, 5)), 4u);  // plain, channels last, blocked
  EXPECT_EQ(form_count(simd_concat(), with_channels(8, 16)), 3u);
  EXPECT_EQ(form_count(simd_concat(), with_channels(3, 16)), 2u);
}

TEST(SimdConcat, RanksAndEmptyParts) {
  for (const Shape& shape : {Shape{3}, Shape{0}, Shape{4, 0}, Shape{2, 3, 4}}) {
    expect_matches_reference(simd_concat(), {"Concat",
                                             attributes({{"axis", int64_t{0}}}),
                                             {random_tensor(DataType::kFloat32, shape, 1),
                                              random_tensor(DataType::kFloat32, shape, 2)}});
  }
}

TEST(SimdSplit, EveryAxisAndLayout) {
  for (int64_t axis = 0; axis < 4; ++axis) {
    for (const Ints& sizes : {Ints{16, 8, 3}, Ints{5, 0, 6}}) {
      Shape shape = {2, 16, 3, 5};
      shape[axis] = sizes[0] + sizes[1] + sizes[2];
      OpCase c = unary("Split", attributes({{"axis", axis}, {"split", sizes}}), shape);
      c.output_types.assign(3, DataType::kFloat32);
      expect_matches_reference(simd_split(), c);
      c.output_types[1] = DataType::kUndefined;
      expect_matches_reference(simd_split(), c);
    }
  }
}

TEST(SimdSlice, RandomCuts) {
  std::mt19937 random(11);
  const auto number = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int round = 0; round < 100; ++round) {
    const Shape shape = {number(1, 3), number(1, 20), number(1, 6), number(0, 6)};
    Ints starts, ends, axes, steps;
    for (int64_t d = 0; d < 4; ++d) {
      if (number(0, 1) == 0) continue;
      axes.push_back(d);
      starts.push_back(number(-8, 8));
      ends.push_back(number(0, 3) == 0 ? INT64_MAX : number(-8, 24));
      steps.push_back(number(0, 2) == 0 ? -number(1, 3) : number(1, 3));
    }
    expect_matches_reference(
        simd_slice(),
        unary("Slice",
              attributes({{"starts", starts}, {"ends", ends}, {"axes", axes}, {"steps", steps}}),
              shape, kTypes[round % kTypes.size()]));
  }
}

TEST(SimdSlice, BlockedChannels) {
  const auto channels = [](int64_t from, int64_t to) {
    return unary("Slice",
                 attributes({{"starts", Ints{from}}, {"ends", Ints{to}}, {"axes", Ints{1}}}),
                 {2, 43, 3, 3});
  };
  expect_matches_reference(simd_slice(), channels(16, 43));
  EXPECT_EQ(form_count(simd_slice(), channels(16, 43)), 4u);
  EXPECT_EQ(form_count(simd_slice(), channels(16, 24)), 3u);
  EXPECT_EQ(form_count(simd_slice(), channels(16, 20)), 2u);
}

TEST(SimdSlice, RefusesWhatOnlyTheRunKnows) {
  const OpCase c = {"Slice", {}, {floats({2}, {1, 2}), int64s({1}, {0}), int64s({1}, {1})}};
  const backends::Offer offer = simd_slice().offer(node_facts(c, reference(c)));
  EXPECT_TRUE(offer.forms.empty());
  EXPECT_EQ(offer.refusal, "starts is known at the run only");
}

TEST(SimdPad, ModesAxesAndLayouts) {
  for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
    for (const Ints& pads : {Ints{0, 0, 1, 2, 0, 0, 3, 1}, Ints{1, 2, 0, 0, 0, 1, 2, 0},
                             Ints{0, 0, -1, 4, 0, 0, 2, -1}, Ints{0, 0, 0, 0, 0, 0, 0, 0}}) {
      OpCase c =
          unary("Pad", attributes({{"mode", std::string(mode)}, {"pads", pads}}), {2, 11, 3, 4});
      expect_matches_reference(simd_pad(), c);
      c.inputs.resize(3);
      c.inputs[2] = floats({}, {2.5});
      c.inputs[1] = {};
      expect_matches_reference(simd_pad(), c);
    }
  }
  expect_matches_reference(simd_pad(), unary("Pad", attributes({{"pads", Ints{2, 3}}}), {5}));
  expect_matches_reference(simd_pad(), unary("Pad", attributes({{"pads", Ints{2, 3}}}), {0}));
}

TEST(SimdPad, KeepsBlockedOnlyWhereTheValueStaysOut) {
  OpCase c = unary("Pad", attributes({{"pads", Ints{0, 0, 1, 1, 0, 0, 1, 1}}}), {1, 16, 4, 4});
  EXPECT_EQ(form_count(simd_pad(), c), 4u);
  c.inputs = {random_tensor(DataType::kFloat32, {1, 11, 4, 4}, 1), {}, floats({}, {1})};
  EXPECT_EQ(form_count(simd_pad(), c), 2u);
}

TEST(SimdExpand, Broadcasts) {
  for (const auto& [from, to] :
       {std::pair{Shape{3, 1, 5}, Shape{2, 3, 4, 5}}, std::pair{Shape{1}, Shape{1000}},
        std::pair{Shape{}, Shape{2, 3}}, std::pair{Shape{4, 1}, Shape{4, 300}},
        std::pair{Shape{1, 7}, Shape{0, 7}}, std::pair{Shape{4, 5}, Shape{1, 1}}}) {
    for (DataType type : kTypes) {
      expect_matches_reference(simd_expand(),
                               unary("Expand", attributes({{"shape", Ints(to)}}), from, type));
    }
  }
}

TEST(SimdTile, Repeats) {
  expect_matches_reference(simd_tile(),
                           unary("Tile", attributes({{"repeats", Ints{2, 1, 3}}}), {3, 4, 5}));
  expect_matches_reference(simd_tile(), unary("Tile", attributes({{"repeats", Ints{70}}}), {1}));
  expect_matches_reference(simd_tile(), unary("Tile", attributes({{"repeats", Ints{0}}}), {4}));
}

TEST(SimdDepthSpace, BothModesAndLayouts) {
  for (const char* mode : {"DCR", "CRD"}) {
    const ir::Attributes by_three =
        attributes({{"blocksize", int64_t{3}}, {"mode", std::string(mode)}});
    expect_matches_reference(simd_depth_to_space(), unary("DepthToSpace", by_three, {2, 18, 5, 7}));
    expect_matches_reference(simd_space_to_depth(), unary("SpaceToDepth", by_three, {2, 5, 6, 9}));
  }
}

TEST(SimdTrilu, TrianglesAroundAnyDiagonal) {
  for (int64_t upper : {0, 1}) {
    for (int64_t k : {-9, -2, 0, 1, 3, 12}) {
      for (const Shape& shape : {Shape{5, 7}, Shape{2, 3, 8, 4}, Shape{3, 0}, Shape{0, 3}}) {
        expect_matches_reference(simd_trilu(),
                                 unary("Trilu", attributes({{"upper", upper}, {"k", k}}), shape));
      }
    }
  }
  expect_matches_reference(
      simd_trilu(),
      {"Trilu", {}, {random_tensor(DataType::kFloat32, {300, 200}, 1), int64s({}, {-5})}});
}

void expect_reorders(const HostTensor& x, Layout from, Layout to) {
  SCOPED_TRACE(to_string(x.shape) + " " + std::string(ir::to_string(from)) + " to " +
               std::string(ir::to_string(to)));
  const OpCase c = {
      "Reorder", attributes({{"layout", std::string(ir::to_string(to))}}), {x}, {x.dtype}};
  backends::NodeFacts facts = node_facts(c, {x});
  facts.inputs[0].layout = from;
  facts.outputs[0].layout = to;
  const backends::Offer offer = simd_reorder().offer(facts);
  ASSERT_EQ(offer.forms.size(), 1u) << offer.refusal;
  const auto y = run_tactic(simd_reorder(), c, offer.forms[0], {x});
  ASSERT_TRUE(y.is_ok()) << y.status().message();
  EXPECT_TRUE(matches((*y)[0], x));
}

TEST(SimdReorder, BetweenAllLayouts) {
  for (DataType type : kTypes) {
    for (const Shape& shape : {Shape{2, 32, 5, 7}, Shape{1, 3, 65, 9}, Shape{2, 21, 1, 1},
                               Shape{1, 16, 130, 3}, Shape{2, 0, 3, 3}}) {
      const HostTensor x = random_tensor(type, shape, 9, -100, 100);
      for (Layout from : {Layout::kPlain, Layout::kChannelsLast}) {
        for (Layout to :
             {Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16}) {
          expect_reorders(x, from, to);
          expect_reorders(x, to, from);
        }
      }
    }
  }
  const HostTensor sequence = random_tensor(DataType::kFloat32, {2, 6, 11}, 1);
  expect_reorders(sequence, Layout::kPlain, Layout::kChannelsLast);
  const HostTensor volume = random_tensor(DataType::kFloat32, {2, 6, 3, 4, 5}, 1);
  expect_reorders(volume, Layout::kChannelsLast, Layout::kPlain);
}

// Convolutions read the channels that fill up the last block: they must be zero.
TEST(SimdReorder, FillsTheLastBlockWithZeros) {
  const HostTensor x = floats({1, 1, 1, 2}, {5, 6});
  const OpCase c = {"Reorder", attributes({{"layout", std::string("blocked8")}}), {x}};
  backends::NodeFacts facts = node_facts(c, {x});
  facts.outputs[0].layout = Layout::kBlocked8;
  auto kernel = simd_reorder().bind(facts);
  ASSERT_TRUE(kernel.is_ok());
  backends::CpuStream stream(1);
  HostRun run(facts, {x.data()}, stream);
  const auto y = run.output(0, x.shape);
  std::fill_n(y->as<float>(), 16, 9.0f);
  ASSERT_TRUE(run.execute(**kernel).is_ok());
  EXPECT_EQ((std::vector<float>(y->as<float>(), y->as<float>() + 16)),
            (std::vector<float>{5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace penstock::ops::test
