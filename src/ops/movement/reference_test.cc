// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

// Of AddressSanitizer, which ends the program where an allocation is refused; null without it.
extern "C" [[gnu::weak]] void __asan_init();

namespace penstock::ops::test {
namespace {

constexpr DataType kF32 = DataType::kFloat32;
using Ints = std::vector<int64_t>;

ir::Attributes attributes(std::initializer_list<std::pair<const char*, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

std::vector<double> run(const std::string& op, const ir::Attributes& attributes,
                        std::vector<HostTensor> inputs, DataType type = kF32) {
  const auto outputs = reference({op, attributes, std::move(inputs), {type}});
  return outputs.empty() ? std::vector<double>() : values_of(outputs[0]);
}

using V = std::vector<double>;

TEST(MovementReference, TransposesAnyElementSize) {
  for (DataType type : {DataType::kInt8, DataType::kBFloat16, kF32, DataType::kFloat64}) {
    const HostTensor x = tensor(type, {2, 3}, {1, 2, 3, 4, 5, 6});
    EXPECT_EQ(run("Transpose", {}, {x}, type), (V{1, 4, 2, 5, 3, 6}));
  }
  const HostTensor x = floats({1, 2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(run("Transpose", attributes({{"perm", Ints{2, 0, 1}}}), {x}), (V{1, 3, 2, 4}));
}

TEST(MovementReference, ReshapesFromTheInput) {
  const auto y =
      reference({"Reshape", {}, {floats({2, 3}, {1, 2, 3, 4, 5, 6}), int64s({2}, {0, -1})}});
  EXPECT_TRUE(matches(y[0], floats({2, 3}, {1, 2, 3, 4, 5, 6})));
  const OpCase wrong = {"Reshape", {}, {floats({2}, {1, 2}), int64s({1}, {3})}};
  EXPECT_EQ(reference_status(wrong).code(), StatusCode::kInvalidArgument);
}

TEST(MovementReference, ConcatenatesAndSplits) {
  const HostTensor a = floats({2, 1}, {1, 2});
  const HostTensor b = floats({2, 2}, {3, 4, 5, 6});
  EXPECT_EQ(run("Concat", attributes({{"axis", int64_t{-1}}}), {a, b}), (V{1, 3, 4, 2, 5, 6}));
  const auto parts = reference({"Split",
                                attributes({{"axis", int64_t{1}}, {"num_outputs", int64_t{2}}}),
                                {floats({2, 3}, {1, 2, 3, 4, 5, 6})},
                                {kF32, kF32}});
  EXPECT_EQ(values_of(parts[0]), (V{1, 2, 4, 5}));
  EXPECT_EQ(values_of(parts[1]), (V{3, 6}));
  EXPECT_FALSE(reference_status({"Concat", {}, {a, floats({1}, {0})}}).is_ok());
}

TEST(MovementReference, SlicesBothWays) {
  const HostTensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto slice = [&](Ints starts, Ints ends, Ints axes, Ints steps) {
    return run("Slice",
               attributes({{"starts", starts}, {"ends", ends}, {"axes", axes}, {"steps", steps}}),
               {x});
  };
  EXPECT_EQ(slice({-1}, {INT64_MIN}, {1}, {-1}), (V{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(slice({1, 0}, {INT64_MAX, INT64_MAX}, {0, 1}, {1, 2}), (V{4, 6}));
  EXPECT_EQ(slice({INT64_MAX}, {INT64_MAX}, {0}, {INT64_MAX}), V());
  EXPECT_EQ(slice({0}, {INT64_MAX}, {1}, {INT64_MAX}), (V{1, 4}));
}

TEST(MovementReference, PadsInEveryMode) {
  const HostTensor x = floats({3}, {1, 2, 3});
  const auto pad = [&](const char* mode, Ints pads) {
    return run("Pad", attributes({{"mode", std::string(mode)}, {"pads", pads}}), {x});
  };
  EXPECT_EQ(pad("constant", {1, 2}), (V{0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(pad("reflect", {2, 3}), (V{3, 2, 1, 2, 3, 2, 1, 2}));
  EXPECT_EQ(pad("edge", {2, 1}), (V{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(pad("wrap", {1, 2}), (V{3, 1, 2, 3, 1, 2}));
  EXPECT_EQ(pad("constant", {-1, 1}), (V{2, 3, 0}));
  const auto y = reference({"Pad",
                            attributes({{"axes", Ints{-1}}}),
                            {floats({1, 1}, {5}), int64s({2}, {1, 0}), floats({}, {9})}});
  EXPECT_TRUE(matches(y[0], floats({1, 2}, {9, 5})));
  EXPECT_FALSE(reference_status({"Pad",
                                 attributes({{"mode", std::string("edge")}, {"pads", Ints{1, 0}}}),
                                 {floats({0}, {})}})
                   .is_ok());
}

TEST(MovementReference, ExpandsAndTiles) {
  EXPECT_EQ(run("Expand", attributes({{"shape", Ints{2, 1, 2}}}), {floats({2, 1}, {1, 2})}),
            (V{1, 1, 2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(run("Tile", attributes({{"repeats", Ints{2, 2}}}), {floats({1, 2}, {1, 2})}),
            (V{1, 2, 1, 2, 1, 2, 1, 2}));
}

TEST(MovementReference, MakesTensorsFromNumbers) {
  const DataType i64 = DataType::kInt64;
  EXPECT_EQ(run("Shape", attributes({{"start", int64_t{1}}}), {floats({1, 2, 1}, {1, 2})}, i64),
            (V{2, 1}));
  EXPECT_EQ(run("Size", {}, {floats({1, 2}, {1, 2})}, i64), (V{2}));
  EXPECT_EQ(run("Extents", attributes({{"values", Ints{3, 4}}}), {}, i64), (V{3, 4}));
  EXPECT_EQ(run("ConstantOfShape", attributes({{"shape", Ints{2}}, {"value", 1.5f}}), {}),
            (V{1.5, 1.5}));
  EXPECT_EQ(run("ConstantOfShape", attributes({{"shape", Ints{1}}, {"value", int64_t{1}}}), {},
                DataType::kBool),
            (V{1}));
  EXPECT_EQ(run("Range", {}, {int64s({}, {5}), int64s({}, {0}), int64s({}, {-2})}, i64),
            (V{5, 3, 1}));
  EXPECT_EQ(run("Range", {}, {floats({}, {0}), floats({}, {1}), floats({}, {0.5})}), (V{0, 0.5}));
  EXPECT_EQ(run("EyeLike", attributes({{"k", int64_t{1}}}), {floats({2, 3}, V(6))}),
            (V{0, 1, 0, 0, 0, 1}));
}

TEST(MovementReference, MovesBlocksBetweenDepthAndSpace) {
  const HostTensor x = floats({1, 8, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7});
  const ir::Attribute two = int64_t{2};
  EXPECT_EQ(run("DepthToSpace", attributes({{"blocksize", two}}), {x}),
            (V{0, 2, 4, 6, 1, 3, 5, 7}));
  EXPECT_EQ(
      run("DepthToSpace", attributes({{"blocksize", two}, {"mode", std::string("CRD")}}), {x}),
      (V{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(run("SpaceToDepth", attributes({{"blocksize", two}}),
                {floats({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7})}),
            (V{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(MovementReference, ReversesSequencesAndCutsTriangles) {
  const HostTensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run("ReverseSequence", {}, {x, int64s({2}, {3, 2})}), (V{5, 4, 3, 2, 1, 6}));
  EXPECT_FALSE(reference_status({"ReverseSequence", {}, {x, int64s({2}, {4, 2})}}).is_ok());
  EXPECT_EQ(run("Trilu", attributes({{"k", int64_t{1}}}), {x}), (V{0, 2, 0, 0, 0, 0}));
  EXPECT_EQ(run("Trilu", attributes({{"upper", int64_t{0}}}), {x, int64s({}, {-1})}),
            (V{0, 0, 3, 0, 5, 6}));
}

TEST(MovementReference, ScalarsAndEmptyTensors) {
  EXPECT_EQ(run("Transpose", {}, {floats({}, {3})}), (V{3}));
  EXPECT_EQ(run("Transpose", {}, {floats({0, 2}, {})}), V());
  EXPECT_EQ(run("Expand", attributes({{"shape", Ints{}}}), {floats({}, {3})}), (V{3}));
  EXPECT_EQ(run("Tile", attributes({{"repeats", Ints{0}}}), {floats({2}, {1, 2})}), V());
  EXPECT_EQ(run("Concat", attributes({{"axis", int64_t{0}}}), {floats({0}, {}), floats({1}, {2})}),
            (V{2}));
}

// No kernel is asked for what cannot be stored.
TEST(Movement, TensorsLargerThanMemoryAreErrors) {
  const HostTensor x = floats({2}, {1, 2});
  std::vector<double> pads = {4e18, -4e18};
  if (&__asan_init == nullptr) pads.push_back(1e12);
  for (const double pad : pads) {
    EXPECT_FALSE(reference_status({"Pad", {}, {x, int64s({2}, {pad, 0})}}).is_ok()) << pad;
  }
  const auto filled = [](std::string_view shape) {
    return infer("ConstantOfShape", {}, {contents_fact(shape)}).status.is_ok();
  };
  EXPECT_FALSE(filled("1099511627776, 1099511627776"));
  EXPECT_FALSE(filled("batch, 1099511627776, 1099511627776"));
  EXPECT_TRUE(filled("batch, 1024, 1024"));
  EXPECT_TRUE(filled("0, 1099511627776"));
}

}  // namespace
}  // namespace penstock::ops::test
