// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct UnaryCase {
  std::string op;
  std::vector<double> x;
  std::vector<double> y;
  ir::Attributes attributes = {};
};

ir::Attributes with(std::initializer_list<std::pair<std::string_view, ir::Attribute>> list) {
  ir::Attributes attributes;
  for (const auto& [name, value] : list) attributes.set(name, value);
  return attributes;
}

HostTensor run(const UnaryCase& c, DataType type, DataType result) {
  const auto n = static_cast<int64_t>(c.x.size());
  return reference({c.op, c.attributes, {tensor(type, {n}, c.x)}, {result}})[0];
}

TEST(Unary, FloatingLiterals) {
  const std::vector<UnaryCase> cases = {
      {"Abs", {-1.5, 0, 2, -kInf, kNan}, {1.5, 0, 2, kInf, kNan}},
      {"Neg", {-1.5, 2}, {1.5, -2}},
      {"Sign", {-3, 0, 2, kNan}, {-1, 0, 1, kNan}},
      {"Exp", {0, 1, -kInf}, {1, 2.718281828, 0}},
      {"Log", {1, 2.718281828, 0, -1}, {0, 1, -kInf, kNan}},
      {"Sqrt", {4, 0, -1}, {2, 0, kNan}},
      {"Reciprocal", {4, -0.5}, {0.25, -2}},
      {"Floor", {-1.5, 1.5}, {-2, 1}},
      {"Ceil", {-1.5, 1.5}, {-1, 2}},
      {"Round", {0.5, 1.5, 2.5, -2.5, 2.75}, {0, 2, 2, -2, 3}},
      {"Sin", {0, 1}, {0, 0.841470985}},
      {"Cos", {0, 1}, {1, 0.540302306}},
      {"Tan", {0, 1}, {0, 1.557407725}},
      {"Asin", {0.5, 1}, {0.523598776, 1.570796327}},
      {"Acos", {0.5, 1}, {1.047197551, 0}},
      {"Atan", {1, -1}, {0.785398163, -0.785398163}},
      {"Sinh", {1}, {1.175201194}},
      {"Cosh", {1}, {1.543080635}},
      {"Tanh", {1, -20}, {0.761594156, -1}},
      {"Asinh", {1}, {0.881373587}},
      {"Acosh", {2, 1}, {1.316957897, 0}},
      {"Atanh", {0.5}, {0.549306144}},
      {"Erf", {0.5, -3}, {0.520499878, -0.999977910}},
      {"Sigmoid", {0, 2, -200}, {0.5, 0.880797078, 0}},
      {"Relu", {-1, 0, 3, kNan}, {0, 0, 3, kNan}},
      {"LeakyRelu", {-1, 2}, {-0.01, 2}},
      {"LeakyRelu", {-1, 2}, {-0.25, 2}, with({{"alpha", 0.25f}})},
      {"Elu", {-1, 2}, {-0.632120559, 2}},
      {"Elu", {-1, 2}, {-1.264241118, 2}, with({{"alpha", 2.0f}})},
      {"Selu", {-1, 2}, {-1.111330738, 2.101402044}},
      {"Celu", {-1, 2}, {-0.786938681, 2}, with({{"alpha", 2.0f}})},
      {"Softplus", {0, 100, -1}, {0.693147181, 100, 0.313261688}},
      {"Softsign", {1, -3}, {0.5, -0.75}},
      {"HardSigmoid", {-3, 1, 3}, {0, 0.7, 1}},
      {"HardSwish", {-4, 1, 4}, {0, 0.666666667, 4}},
      {"Gelu", {1, -1}, {0.841344746, -0.158655254}},
      {"Gelu", {1, -1}, {0.841191991, -0.158808009}, with({{"approximate", "tanh"}})},
      {"Mish", {1, -1}, {0.865098388, -0.303401461}},
      {"Swish", {1, -1}, {0.731058579, -0.268941421}},
      {"Swish", {1}, {0.880797078}, with({{"alpha", 2.0f}})},
      {"ThresholdedRelu", {0.5, 1, 1.5}, {0, 0, 1.5}},
      {"Shrink", {-2, 0.25, 2}, {-1.5, 0, 1.5}, with({{"lambd", 0.5f}, {"bias", 0.5f}})},
  };
  for (const UnaryCase& c : cases) {
    for (DataType type :
         {DataType::kFloat32, DataType::kFloat64, DataType::kFloat16, DataType::kBFloat16}) {
      const auto n = static_cast<int64_t>(c.y.size());
      const bool is_double = type == DataType::kFloat64;  // the literals have fewer digits
      EXPECT_TRUE(matches(run(c, type, type), tensor(type, {n}, c.y),
                          is_double ? Tolerance{1e-8, 1e-8} : tolerance(type, 4)))
          << c.op << " of " << to_string(type);
    }
  }
}

TEST(Unary, IntegersAndBool) {
  const UnaryCase abs = {"Abs", {-128, 127}, {-128, 127}};  // wraps, as in NumPy
  EXPECT_EQ(values_of(run(abs, DataType::kInt8, DataType::kInt8)), abs.y);
  const UnaryCase neg = {"Neg", {-5, 7}, {5, -7}};
  EXPECT_EQ(values_of(run(neg, DataType::kInt64, DataType::kInt64)), neg.y);
  const UnaryCase sign = {"Sign", {0, 7}, {0, 1}};
  EXPECT_EQ(values_of(run(sign, DataType::kUInt8, DataType::kUInt8)), sign.y);
  const UnaryCase relu = {"Relu", {-5, 7}, {0, 7}};
  EXPECT_EQ(values_of(run(relu, DataType::kInt32, DataType::kInt32)), relu.y);
  const UnaryCase invert = {"BitwiseNot", {0, 5}, {255, 250}};
  EXPECT_EQ(values_of(run(invert, DataType::kUInt8, DataType::kUInt8)), invert.y);
  const UnaryCase negate = {"Not", {0, 1}, {1, 0}};
  EXPECT_EQ(values_of(run(negate, DataType::kBool, DataType::kBool)), negate.y);
}

TEST(Unary, Predicates) {
  const std::vector<double> x = {1, kNan, kInf, -kInf};
  EXPECT_EQ(values_of(run({"IsNaN", x, {}}, DataType::kFloat32, DataType::kBool)),
            (std::vector<double>{0, 1, 0, 0}));
  EXPECT_EQ(values_of(run({"IsInf", x, {}}, DataType::kFloat16, DataType::kBool)),
            (std::vector<double>{0, 0, 1, 1}));
  const ir::Attributes positive = with({{"detect_negative", int64_t{0}}});
  EXPECT_EQ(values_of(run({"IsInf", x, {}, positive}, DataType::kFloat32, DataType::kBool)),
            (std::vector<double>{0, 0, 1, 0}));
  EXPECT_EQ(infer("IsNaN", {}, {fact(DataType::kFloat16, "batch")}).outputs[0].dtype,
            DataType::kBool);
}

TEST(Unary, RefusesElementTypes) {
  const Inferred inferred = infer("Exp", {}, {fact(DataType::kInt32, "2")});
  EXPECT_EQ(inferred.status.message(), "node 'test' (Exp): takes floating elements, not int32");
  EXPECT_FALSE(infer("Neg", {}, {fact(DataType::kUInt8, "2")}).status.is_ok());
  EXPECT_FALSE(infer("Not", {}, {fact(DataType::kFloat32, "2")}).status.is_ok());
}

TEST(Unary, ContentsAreNegatedExactly) {
  EXPECT_EQ(infer("Neg", {}, {contents_fact("seq, 3")}).contents(), "[-seq, -3]");
  EXPECT_EQ(infer("Abs", {}, {contents_fact("-seq, seq, -3")}).contents(), "[seq, seq, 3]");
  EXPECT_EQ(infer("Abs", {}, {contents_fact("seq - 3")}).contents(), "unknown");
}

}  // namespace
}  // namespace penstock::ops::test
