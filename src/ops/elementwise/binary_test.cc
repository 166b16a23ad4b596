// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();

std::vector<double> run(const std::string& op, DataType type, const std::vector<double>& a,
                        const std::vector<double>& b, const ir::Attributes& attributes = {},
                        DataType result = DataType::kUndefined) {
  const auto n = static_cast<int64_t>(a.size());
  const auto m = static_cast<int64_t>(b.size());
  const DataType out = result == DataType::kUndefined ? type : result;
  return values_of(
      reference({op, attributes, {tensor(type, {n}, a), tensor(type, {m}, b)}, {out}})[0]);
}

ir::Attributes with(std::string_view name, ir::Attribute value) {
  ir::Attributes attributes;
  attributes.set(name, std::move(value));
  return attributes;
}

using Values = std::vector<double>;

TEST(Binary, ArithmeticOfEveryType) {
  for (DataType type :
       {DataType::kFloat32, DataType::kFloat64, DataType::kFloat16, DataType::kBFloat16,
        DataType::kInt8, DataType::kInt16, DataType::kInt32, DataType::kInt64, DataType::kUInt8,
        DataType::kUInt16, DataType::kUInt32, DataType::kUInt64}) {
    EXPECT_EQ(run("Add", type, {1, 2, 3}, {4, 5, 6}), (Values{5, 7, 9}));
    EXPECT_EQ(run("Sub", type, {4, 5, 6}, {1, 2, 3}), (Values{3, 3, 3}));
    EXPECT_EQ(run("Mul", type, {1, 2, 3}, {4}), (Values{4, 8, 12}));
    EXPECT_EQ(run("Div", type, {12, 8}, {4}), (Values{3, 2}));
    EXPECT_EQ(run("Min", type, {1, 5}, {4, 2}), (Values{1, 2}));
    EXPECT_EQ(run("Max", type, {1, 5}, {4, 2}), (Values{4, 5}));
    EXPECT_EQ(run("Pow", type, {3}, {0, 1, 2, 3}), (Values{1, 3, 9, 27}));
    EXPECT_EQ(run("PRelu", type, {1, 2}, {3}), (Values{1, 2}));
    EXPECT_EQ(run("Mod", type, {7, 6}, {4}, with("fmod", int64_t{1})), (Values{3, 2}));
  }
}

TEST(Binary, BroadcastsBothWays) {
  const HostTensor a = floats({2, 1, 2}, {1, 2, 3, 4});
  const HostTensor b = floats({3, 1}, {10, 20, 30});
  const auto y = reference({"Add", {}, {a, b}});
  EXPECT_TRUE(matches(y[0], floats({2, 3, 2}, {11, 12, 21, 22, 31, 32, 13, 14, 23, 24, 33, 34})));
  EXPECT_FALSE(reference_status({"Add", {}, {a, floats({3}, {1, 2, 3})}}).is_ok());
}

TEST(Binary, EmptyTensors) {
  const auto y = reference({"Add", {}, {floats({0, 3}, {}), floats({1, 3}, {1, 2, 3})}});
  EXPECT_EQ(y[0].shape, (Shape{0, 3}));
}

TEST(Binary, IntegerDivisionTruncatesAndNeverTraps) {
  EXPECT_EQ(run("Div", DataType::kInt32, {-7, 7, 5}, {2, -2, 0}), (Values{-3, -3, 0}));
  EXPECT_EQ(run("Mod", DataType::kInt32, {-7, 7, 5}, {3, -3, 0}), (Values{2, -2, 0}));
  EXPECT_EQ(run("Mod", DataType::kInt32, {-7, 7}, {3, -3}, with("fmod", int64_t{1})),
            (Values{-1, 1}));
  const auto lowest = static_cast<double>(kLowest);
  EXPECT_EQ(run("Div", DataType::kInt64, {lowest}, {-1}), (Values{lowest}));
  EXPECT_EQ(run("Mod", DataType::kInt64, {lowest}, {-1}), (Values{0}));
}

TEST(Binary, FloatingSpecialCases) {
  EXPECT_EQ(run("PRelu", DataType::kFloat32, {-2, 2}, {0.5}), (Values{-1, 2}));
  EXPECT_EQ(run("Mod", DataType::kFloat32, {-7.5, 7.5}, {2}, with("fmod", int64_t{1})),
            (Values{-1.5, 1.5}));
  EXPECT_EQ(run("Mod", DataType::kFloat32, {-7.5, 7.5, -3, 3}, {2, -2, kInfinity, -kInfinity}),
            (Values{0.5, -0.5, kInfinity, -kInfinity}));
  const Values zeros = run("Mod", DataType::kFloat16, {-4, 4}, {2, -2});
  EXPECT_TRUE(zeros[0] == 0 && !std::signbit(zeros[0]));
  EXPECT_TRUE(zeros[1] == 0 && std::signbit(zeros[1]));
  EXPECT_TRUE(matches(reference({"Min", {}, {floats({2}, {kNan, 1}), floats({2}, {1, kNan})}})[0],
                      floats({2}, {kNan, kNan})));
}

TEST(Binary, PowTakesExponentsOfAnotherType) {
  const HostTensor cubes =
      reference({"Pow", {}, {floats({2}, {2, -3}), tensor(DataType::kInt64, {}, {3})}})[0];
  EXPECT_TRUE(matches(cubes, floats({2}, {8, -27})));
  EXPECT_EQ(run("Pow", DataType::kInt32, {2, -1, 1, 0}, {-1}), (Values{0, -1, 1, 0}));
}

TEST(Binary, Bits) {
  EXPECT_EQ(run("BitShift", DataType::kUInt8, {16, 129, 1}, {1, 1, 9}, with("direction", "LEFT")),
            (Values{32, 2, 0}));
  EXPECT_EQ(run("BitShift", DataType::kUInt32, {16, 3}, {2, 1}, with("direction", "RIGHT")),
            (Values{4, 1}));
  EXPECT_EQ(
      run("BitShift", DataType::kInt8, {-8, 4, -8, -8}, {8, 9, -1, 1}, with("direction", "RIGHT")),
      (Values{-1, 0, -1, -4}));
  EXPECT_EQ(run("BitShift", DataType::kInt8, {-8, 4}, {8, -1}, with("direction", "LEFT")),
            (Values{0, 0}));
  EXPECT_EQ(run("BitwiseAnd", DataType::kInt32, {6, -1}, {3, 5}), (Values{2, 5}));
  EXPECT_EQ(run("BitwiseOr", DataType::kInt32, {6}, {3}), (Values{7}));
  EXPECT_EQ(run("BitwiseXor", DataType::kUInt64, {6}, {3}), (Values{5}));
}

TEST(Logic, ComparesAndCombines) {
  const DataType result = DataType::kBool;
  for (DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kInt64}) {
    EXPECT_EQ(run("Equal", type, {1, 2, 3}, {2}, {}, result), (Values{0, 1, 0}));
    EXPECT_EQ(run("Less", type, {1, 2, 3}, {2}, {}, result), (Values{1, 0, 0}));
    EXPECT_EQ(run("LessOrEqual", type, {1, 2, 3}, {2}, {}, result), (Values{1, 1, 0}));
    EXPECT_EQ(run("Greater", type, {1, 2, 3}, {2}, {}, result), (Values{0, 0, 1}));
    EXPECT_EQ(run("GreaterOrEqual", type, {1, 2, 3}, {2}, {}, result), (Values{0, 1, 1}));
  }
  EXPECT_EQ(run("Equal", DataType::kBool, {0, 1}, {1}), (Values{0, 1}));
  EXPECT_EQ(run("And", DataType::kBool, {0, 0, 1, 1}, {0, 1, 0, 1}), (Values{0, 0, 0, 1}));
  EXPECT_EQ(run("Or", DataType::kBool, {0, 0, 1, 1}, {0, 1, 0, 1}), (Values{0, 1, 1, 1}));
  EXPECT_EQ(run("Xor", DataType::kBool, {0, 0, 1, 1}, {0, 1, 0, 1}), (Values{0, 1, 1, 0}));
}

TEST(BinaryInfer, SymbolicShapes) {
  const auto f = [](std::string_view shape) { return fact(DataType::kFloat32, shape); };
  EXPECT_EQ(infer("Add", {}, {f("batch, 1, 64"), f("seq, 1")}).shape(), "[batch, seq, 64]");
  EXPECT_EQ(infer("Add", {}, {f("n"), f("m")}).shape(), "[bcast(n, m)]");
  EXPECT_EQ(infer("Add", {}, {f("2, 3"), f("4, 3")}).status.message(),
            "node 'test' (Add): shapes [2, 3] and [4, 3] do not broadcast");
  EXPECT_FALSE(infer("Add", {}, {f("2"), fact(DataType::kInt64, "2")}).status.is_ok());
  EXPECT_EQ(infer("Less", {}, {f("n"), f("1")}).outputs[0].dtype, DataType::kBool);
  EXPECT_EQ(infer("PRelu", {}, {f("n, 3, 4"), f("3, 1")}).shape(), "[n, 3, 4]");
  EXPECT_FALSE(infer("PRelu", {}, {f("3, 1"), f("n, 3, 4")}).status.is_ok());
  EXPECT_FALSE(infer("PRelu", {}, {f("3, 1"), f("4")}).status.is_ok());
}

TEST(BinaryInfer, ContentsOfArithmetic) {
  const auto of = [](const std::string& op, std::string_view a, std::string_view b) {
    return infer(op, {}, {contents_fact(a), contents_fact(b)}).contents();
  };
  EXPECT_EQ(of("Add", "batch, 3", "1"), "[batch + 1, 4]");
  EXPECT_EQ(of("Sub", "batch", "seq"), "[batch - seq]");
  EXPECT_EQ(of("Mul", "batch, seq", "batch, 4"), "[batch*batch, 4*seq]");
  EXPECT_EQ(of("Div", "12*seq, seq", "4"), "[3*seq, floordiv(seq, 4)]");
  EXPECT_EQ(of("Div", "-7", "2"), "[-3]");
  EXPECT_EQ(of("Div", "seq - 7", "2"), "unknown");
  EXPECT_EQ(of("Div", "seq", "0"), "unknown");
  EXPECT_EQ(of("Mod", "seq", "4"), "[mod(seq, 4)]");
  EXPECT_EQ(of("Min", "seq", "seq + 1"), "[seq]");
  EXPECT_EQ(of("Max", "seq", "4"), "[max(seq, 4)]");
}

TEST(BinaryInfer, ContentsOfDecisions) {
  const auto of = [](const std::string& op, std::string_view a, std::string_view b) {
    return infer(op, {}, {contents_fact(a), contents_fact(b)}).contents();
  };
  EXPECT_EQ(of("Equal", "seq, seq, 3", "seq, -1, 3"), "[1, 0, 1]");
  EXPECT_EQ(of("Equal", "seq", "4"), "unknown");
  EXPECT_EQ(of("Less", "-1", "seq"), "[1]");
  EXPECT_EQ(of("GreaterOrEqual", "seq", "0"), "[1]");
  EXPECT_EQ(of("Greater", "seq", "0"), "unknown");
}

}  // namespace
}  // namespace penstock::ops::test
