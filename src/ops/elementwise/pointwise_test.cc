// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/elementwise/pointwise_program.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

ir::Attributes program(std::string_view text) {
  ir::Attributes attributes;
  attributes.set("program", std::string(text));
  return attributes;
}

std::string error_of(std::string_view text) { return parse_pointwise(text).status().message(); }

std::string round_trip(std::string_view text) {
  const auto parsed = parse_pointwise(text);
  return parsed.is_ok() ? to_text(*parsed) : parsed.status().message();
}

TEST(PointwiseProgram, ParsesAndPrints) {
  EXPECT_EQ(round_trip(" add( i0 , i1 ) ; relu(t0); "), "add(i0,i1);relu(t0)");
  EXPECT_EQ(round_trip("clip(i0,0,6)"), "clip(i0,0,6)");
  EXPECT_EQ(round_trip("clip(i0)"), "clip(i0,-inf,inf)");
  EXPECT_EQ(round_trip("leaky_relu(i0)"), "leaky_relu(i0,0.01)");
  EXPECT_EQ(round_trip("mul(i0,0.1);add(t0,-1e-05)"), "mul(i0,0.1);add(t0,-1e-05)");
  EXPECT_EQ(round_trip("where(i0,i1,-inf)"), "where(i0,i1,-inf)");
  EXPECT_EQ(parse_pointwise("mul(i4,i2)")->input_count(), 5);
}

TEST(PointwiseProgram, ErrorsNameTheCall) {
  EXPECT_EQ(error_of(""), "the program is empty");
  EXPECT_EQ(error_of("relu i0"), "call 'relu i0': is not of the form name(arguments)");
  EXPECT_EQ(error_of("relu(i0);foo(t0)"), "call 'foo(t0)': no function of that name");
  EXPECT_EQ(error_of("add(i0)"), "call 'add(i0)': takes 2 to 2 arguments, has 1");
  EXPECT_EQ(error_of("relu(t0)"), "call 'relu(t0)': 't0' is no earlier result");
  EXPECT_EQ(error_of("relu(x)"), "call 'relu(x)': 'x' is no input, result or number");
  EXPECT_EQ(error_of("relu()"), "call 'relu()': '' is no input, result or number");
  EXPECT_EQ(error_of("elu(i0,i1)"), "call 'elu(i0,i1)': argument 1 must be a number");
  for (const char* text :
       {";", "(", ")", "relu(i0);;", "relu(i-1)", "relu(i99999999999)", "relu(i0"}) {
    EXPECT_FALSE(parse_pointwise(text).is_ok()) << text;
  }
}

TEST(PointwiseProgram, EveryFunctionStandsForAnOperator) {
  for (const PointwiseFunction& function : pointwise_functions()) {
    EXPECT_NE(find_op(function.op), nullptr) << function.name;
  }
}

// The call text of a node over inputs of these types, "-" where there is none.
class CallOfNode : public ::testing::Test {
 protected:
  std::string call(const std::string& op, const std::vector<ir::Value*>& inputs,
                   const ir::Attributes& attributes = {}, DataType result = DataType::kFloat32) {
    ir::Node node;
    node.op = op;
    node.inputs = inputs;
    node.attributes = attributes;
    node.outputs = {graph_.add_value("", result, {})};
    return pointwise_call(node).value_or("-");
  }
  ir::Value* value(DataType dtype = DataType::kFloat32) {
    return graph_.add_value("", dtype, {2, 3});
  }
  ir::Value* constant(const HostTensor& x) {
    return graph_.add_constant("", ir::make_constant(x.dtype, x.shape, x.data()));
  }
  ir::Graph graph_;
};

TEST_F(CallOfNode, NamesFunctionAndOperands) {
  ir::Value* x = value();
  EXPECT_EQ(call("Add", {x, value()}), "add($0,$1)");
  EXPECT_EQ(call("HardSigmoid", {x}), "hard_sigmoid($0,0.2,0.5)");
  ir::Attributes tanh;
  tanh.set("approximate", "tanh");
  EXPECT_EQ(call("Gelu", {x}, tanh), "gelu_tanh($0)");
  EXPECT_EQ(call("Swish", {x}), "silu($0)");
  EXPECT_EQ(call("Where", {value(DataType::kBool), x, x}), "where($0,$1,$2)");
  EXPECT_EQ(call("Less", {x, x}, {}, DataType::kBool), "less($0,$1)");
}

TEST_F(CallOfNode, ScalarConstantsBecomeLiterals) {
  ir::Value* x = value();
  EXPECT_EQ(call("Mul", {x, constant(floats({1, 1}, {0.5}))}), "mul($0,0.5)");
  EXPECT_EQ(call("Sub", {constant(floats({}, {1})), x}), "sub(1,$1)");
  EXPECT_EQ(call("Pow", {x, constant(int64s({}, {2}))}), "pow($0,2)");
  // A literal has no rank: here the constant decides that of the result.
  EXPECT_EQ(call("Mul", {x, constant(floats({1, 1, 1}, {0.5}))}), "mul($0,$1)");
  EXPECT_EQ(call("Clip", {x, constant(floats({}, {0})), constant(floats({}, {6}))}),
            "clip($0,0,6)");
  EXPECT_EQ(call("Clip", {x, nullptr, constant(floats({}, {6}))}), "clip($0,-inf,6)");
}

TEST_F(CallOfNode, NothingWhereProgramsCannot) {
  ir::Value* x = value();
  EXPECT_EQ(call("MatMul", {x, x}), "-");
  EXPECT_EQ(call("Tan", {x}), "-");
  EXPECT_EQ(call("Clip", {x, value()}), "-");
  ir::Value* n = value(DataType::kInt64);
  EXPECT_EQ(call("Add", {n, n}, {}, DataType::kInt64), "-");
  EXPECT_EQ(call("Equal", {n, n}, {}, DataType::kBool), "-");
  EXPECT_EQ(call("Pow", {x, n}), "-");
}

TEST(Pointwise, Infers) {
  const Fact x = fact(DataType::kFloat32, "batch, 1, 64");
  EXPECT_EQ(infer("Pointwise", program("add(i0,i1)"), {x, fact(DataType::kBool, "seq, 1")}).shape(),
            "[batch, seq, 64]");
  EXPECT_EQ(infer("Pointwise", program("add(i0,i1)"), {x}).status.message(),
            "node 'test' (Pointwise): the program names input i1 of 1");
  EXPECT_FALSE(infer("Pointwise", program("relu("), {x}).status.is_ok());
  EXPECT_FALSE(
      infer("Pointwise", program("relu(i0)"), {fact(DataType::kInt32, "2")}).status.is_ok());
}

TEST(Pointwise, ReferenceKernel) {
  const HostTensor x = floats({2, 2}, {-1, 2, -3, 4});
  EXPECT_TRUE(matches(
      reference({"Pointwise", program("add(i0,i1);relu(t0)"), {x, floats({2}, {2, -3})}})[0],
      floats({2, 2}, {1, 0, 0, 1})));
  EXPECT_TRUE(
      matches(reference({"Pointwise", program("less(i0,0);where(t0,-1,i0);mul(t1,t0)"), {x}})[0],
              floats({2, 2}, {-1, 0, -1, 0})));
  const HostTensor mask = tensor(DataType::kBool, {2, 1}, {1, 0});
  EXPECT_TRUE(matches(reference({"Pointwise", program("not(i1);mul(i0,t0)"), {x, mask}})[0],
                      floats({2, 2}, {0, 0, -3, 4})));
  EXPECT_TRUE(matches(reference({"Pointwise", program("max(i0,nan)"), {x}})[0],
                      floats({2, 2}, {kNan, kNan, kNan, kNan})));
  // The shape is that of all inputs, used or not.
  EXPECT_TRUE(matches(reference({"Pointwise", program("relu(i0)"), {floats({}, {3}), x}})[0],
                      floats({2, 2}, {3, 3, 3, 3})));
}

}  // namespace
}  // namespace penstock::ops::test
