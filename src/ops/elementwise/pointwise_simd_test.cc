// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <random>

#include "backends/cpu/cpu_stream.h"
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/pointwise_compile.h"
#include "ops/narrow_cases_testing.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

const backends::Tactic& tactic() { return *pointwise_simd_tactics().front().second; }

ir::Attributes program(std::string_view text) {
  ir::Attributes attributes;
  attributes.set("program", std::string(text));
  return attributes;
}

OpCase fused(std::string_view text, std::vector<HostTensor> inputs) {
  return {"Pointwise", program(text), std::move(inputs)};
}

HostTensor random(Shape shape, uint32_t seed, double low = -4, double high = 4) {
  return random_tensor(DataType::kFloat32, std::move(shape), seed, low, high);
}

// Element counts: none, one, below and above a vector, a block and a share of a thread.
const Shape kSizes[] = {{0}, {}, {1}, {7}, {16}, {511}, {3, 171}, {40000}, {2, 3, 5, 4099}};

TEST(SimdPointwise, EveryFunctionMatchesItsOperator) {
  for (const PointwiseFunction& function : pointwise_functions()) {
    const bool is_log = function.op == "Log" || function.op == "Sqrt" || function.op == "Pow";
    const double low = is_log ? 0.01 : -4;
    std::string call(function.name);
    std::vector<HostTensor> inputs;
    for (int i = 0; i < function.operands; ++i) {
      call += (i == 0 ? "(i" : ",i") + std::to_string(i);
      inputs.push_back(random({3, 1, 219}, static_cast<uint32_t>(i), low));
    }
    if (function.name == "clip") call += ",-1,2.5";
    SCOPED_TRACE(call);
    expect_matches_reference(tactic(), fused(call + ")", inputs), 16);
  }
}

TEST(SimdPointwise, SingleOperators) {
  for (const Shape& shape : kSizes) {
    const HostTensor x = random(shape, 1);
    const HostTensor y = random(shape, 2);
    expect_matches_reference(tactic(), {"Add", {}, {x, y}});
    expect_matches_reference(tactic(), {"Gelu", {}, {x}}, 4);
    expect_matches_reference(tactic(), {"Less", {}, {x, y}, {DataType::kBool}});
    const HostTensor condition = random_tensor(DataType::kBool, shape, 3);
    expect_matches_reference(tactic(), {"Where", {}, {condition, x, y}});
    expect_matches_reference(tactic(), {"And", {}, {condition, condition}, {DataType::kBool}});
    expect_matches_reference(tactic(), {"Not", {}, {condition}, {DataType::kBool}});
  }
}

TEST(SimdPointwise, LoadsAndStoresSixteenBits) {
  for (DataType type : kNarrowFloats) {
    for (const Shape& shape : kSizes) {
      const HostTensor x = random(shape, 1);
      const HostTensor y = random(shape, 2);
      for (const OpCase& c : {fused("add(i0,i1);gelu(t0)", {x, y}), OpCase{"Add", {}, {x, y}},
                              fused("mul(i0,2);relu(t0);add(t1,i1)", {x, random({}, 3)})}) {
        expect_matches_reference(tactic(), in_narrow_floats(c, type), 16);
      }
      // A single operator's, mixed with float32, and with both kinds of result.
      OpCase mixed = in_narrow_floats(fused("add(i0,i1)", {x, y}), type, {1});
      expect_matches_reference(tactic(), mixed);
      mixed.output_types = {DataType::kFloat32};
      expect_matches_reference(tactic(), mixed);
    }
    const HostTensor image = random({2, 19, 5, 6}, 1);
    const HostTensor channels = random({19, 1, 1}, 2);
    expect_matches_reference(
        tactic(), in_narrow_floats(fused("mul(i0,i1);silu(t0)", {image, channels}), type), 16);
  }
}

TEST(SimdPointwise, CastsBetweenFloats) {
  const DataType types[] = {DataType::kFloat32, DataType::kFloat16, DataType::kBFloat16};
  for (DataType from : types) {
    for (DataType to : types) {
      for (const Shape& shape : kSizes) {
        OpCase c{"Cast", {}, {random_tensor(from, shape, 1, -4, 4)}, {to}};
        c.attributes.set("to", static_cast<int64_t>(to));
        expect_gives(tactic(), c, reference(c));
      }
    }
  }
}

TEST(SimdPointwise, ConstantsAndVaryingBounds) {
  const HostTensor x = random({5, 33}, 1);
  const HostTensor low = floats({}, {-1});
  const HostTensor high = floats({}, {2});
  expect_matches_reference(tactic(), {"Clip", {}, {x, low, high}});
  expect_matches_reference(tactic(), {"Clip", {}, {x, low, high}, {DataType::kFloat32}, {1, 2}});
  expect_matches_reference(tactic(), {"Clip", {}, {x, HostTensor(), high}});
  expect_matches_reference(tactic(), {"Clip", {}, {x, low}});
  expect_matches_reference(tactic(), {"Mul", {}, {x, high}, {DataType::kFloat32}, {1}});
  expect_matches_reference(tactic(), {"Pow", {}, {x, int64s({}, {2})}, {DataType::kFloat32}, {1}},
                           4);
}

TEST(SimdPointwise, Broadcasts) {
  const HostTensor x = random({2, 3, 4, 5}, 1);
  for (const Shape& shape : {Shape{},
                             {5},
                             {4, 1},
                             {3, 1, 1},
                             {2, 1, 1, 1},
                             {2, 1, 4, 1},
                             {1, 3, 1, 5},
                             {2, 3, 1, 1},
                             {1, 1, 1, 1, 1}}) {
    SCOPED_TRACE(to_string(shape));
    expect_matches_reference(tactic(), {"Sub", {}, {x, random(shape, 2)}});
    expect_matches_reference(tactic(), {"Mul", {}, {random(shape, 2), x}});
  }
  expect_matches_reference(tactic(), {"Add", {}, {random({700, 1}, 1), random({1, 300}, 2)}});
}

TEST(SimdPointwise, RandomBroadcasts) {
  std::mt19937 random_bits(7);
  for (uint32_t trial = 0; trial < 200; ++trial) {
    Shape target(1 + random_bits() % 5);
    for (int64_t& extent : target) extent = 1 + random_bits() % 6;
    std::vector<HostTensor> inputs;
    for (uint32_t i = 0; i < 3; ++i) {
      Shape shape(target.begin() + random_bits() % target.size(), target.end());
      for (int64_t& extent : shape) extent = random_bits() % 3 == 0 ? 1 : extent;
      inputs.push_back(random(std::move(shape), trial * 3 + i));
    }
    expect_matches_reference(tactic(), fused("mul(i0,i1);add(t0,i2);tanh(t1);sub(t2,t0)", inputs),
                             8);
  }
}

TEST(SimdPointwise, Layouts) {
  for (int64_t channels : {3, 8, 24, 32}) {
    const HostTensor x = random({2, channels, 5, 7}, 1);
    const HostTensor y = random({2, channels, 5, 7}, 2);
    SCOPED_TRACE(channels);
    // Sigmoid makes 0.5 of the zeros that fill a block: padding must be zero again.
    expect_matches_reference(tactic(), fused("add(i0,i1);sigmoid(t0)", {x, y}), 4);
    for (const Shape& shape : {Shape{channels, 1, 1},
                               {1, channels, 1, 1},
                               {2, channels, 1, 1},
                               {2, 1, 5, 7},
                               {2, 1, 1, 1},
                               {1}}) {
      expect_matches_reference(tactic(), {"Mul", {}, {x, random(shape, 3)}});
    }
    const auto offer = tactic().offer(node_facts({"Mul", {}, {x, y}}, {x}));
    EXPECT_EQ(offer.forms.size(), 4u);
  }
  expect_matches_reference(tactic(), {"Relu", {}, {random({2, 5, 9}, 1)}});
  expect_matches_reference(tactic(), {"Relu", {}, {random({1, 5, 2, 3, 4}, 1)}});
}

TEST(SimdPointwise, PaddingOfBlocksStaysZero) {
  const HostTensor x = random({1, 3, 2, 2}, 1);
  OpCase c = {"Exp", {}, {x}};
  backends::NodeFacts node = node_facts(c, {x});
  node.inputs[0].layout = node.outputs[0].layout = ir::Layout::kBlocked8;
  const auto kernel = tactic().bind(node);
  ASSERT_TRUE(kernel.is_ok());
  backends::CpuStream stream(1);
  const HostTensor blocked = to_layout(x, ir::Layout::kBlocked8);
  HostRun run(node, {blocked.data()}, stream);
  ASSERT_TRUE(run.execute(**kernel).is_ok());
  const auto* y = static_cast<const float*>(run.result(0).data());
  for (int place = 0; place < 4; ++place) {
    EXPECT_GT(y[place * 8 + 2], 0);
    for (int channel = 3; channel < 8; ++channel) EXPECT_EQ(y[place * 8 + channel], 0);
  }
}

TEST(SimdPointwise, RefusesWithReasons) {
  const HostTensor n = int64s({2}, {1, 2});
  const auto integers = tactic().offer(node_facts({"Add", {}, {n, n}, {DataType::kInt64}}, {n}));
  EXPECT_TRUE(integers.forms.empty());
  EXPECT_NE(integers.refusal.find("int64"), std::string::npos) << integers.refusal;

  const HostTensor x = random({2, 1, 2, 1, 2, 1, 2, 1}, 1);
  const HostTensor y = random({1, 2, 1, 2, 1, 2, 1, 2}, 1);
  const HostTensor both = random({2, 2, 2, 2, 2, 2, 2, 2}, 1);
  EXPECT_FALSE(tactic().offer(node_facts({"Add", {}, {x, y}}, {both})).refusal.empty());
}

TEST(SimdPointwise, RunsInPlaceOnlyOverItsOwnShape) {
  const HostTensor x = random({2, 3}, 1);
  const HostTensor bias = random({3}, 2);
  const backends::NodeFacts node = node_facts({"Add", {}, {x, bias}}, {x});
  EXPECT_TRUE(tactic().can_run_in_place(node, 0));
  EXPECT_FALSE(tactic().can_run_in_place(node, 1));
}

TEST(CompilePointwise, FusesProductsAndReusesRegisters) {
  const auto parsed =
      parse_pointwise("mul(i0,i2);add(t0,1);add(t0,i0);relu(i0);mul(t2,i0);add(2,t4)");
  ASSERT_TRUE(parsed.is_ok());
  const auto compiled = compile_pointwise(*parsed);
  ASSERT_TRUE(compiled.is_ok());
  EXPECT_EQ(validate_pointwise(compiled->view()), nullptr);
  EXPECT_EQ(compiled->inputs, (std::vector<int>{0, 2}));
  std::vector<simd::PointwiseOp> ops;
  for (const auto& instr : compiled->instrs) {
    if (instr.op != simd::PointwiseOp::kLoad) ops.push_back(instr.op);
  }
  // t1 and t3 are dead, t0 has one use left.
  EXPECT_EQ(ops, (std::vector{simd::PointwiseOp::kFma, simd::PointwiseOp::kConst,
                              simd::PointwiseOp::kFma, simd::PointwiseOp::kStore}));
}

TEST(CompilePointwise, SaysWhatDoesNotFit) {
  std::string wide = "relu(i0)";
  std::string sum;
  for (int i = 1; i < 40; ++i) wide += ";relu(i" + std::to_string(i % 3) + ")";
  for (int i = 1; i < 40; ++i) {
    const std::string earlier = i == 1 ? "t0" : "t" + std::to_string(38 + i);
    sum += ";add(" + earlier + ",t" + std::to_string(i) + ")";
  }
  const auto values = parse_pointwise(wide + sum);
  ASSERT_TRUE(values.is_ok()) << values.status().message();
  EXPECT_NE(compile_pointwise(*values).status().message().find("values at once"),
            std::string::npos);

  std::string many = "add(i0,i1)";
  for (int i = 2; i < 20; ++i) {
    many += ";add(t" + std::to_string(i - 2) + ",i" + std::to_string(i) + ")";
  }
  EXPECT_NE(compile_pointwise(*parse_pointwise(many)).status().message().find("inputs"),
            std::string::npos);
}

}  // namespace
}  // namespace penstock::ops::test
