// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/cpu/onednn/memory_format.h"
#include "ops/cpu_tactics.h"
#include "ops/narrow_cases_testing.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_tactics.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

struct ConvCase {
  Shape x, w;
  Ints strides, pads, dilations;
  int64_t group = 1;
  std::string epilogue = "";
  bool bias = true;
};

OpCase op_case(const ConvCase& c, const char* op = "Conv") {
  OpCase result{op, {}, {}};
  if (!c.strides.empty()) result.attributes.set("strides", c.strides);
  if (!c.pads.empty()) result.attributes.set("pads", c.pads);
  if (!c.dilations.empty()) result.attributes.set("dilations", c.dilations);
  result.attributes.set("group", c.group);
  if (!c.epilogue.empty()) result.attributes.set("epilogue", c.epilogue);
  result.inputs = {random_tensor(DataType::kFloat32, c.x, 1),
                   random_tensor(DataType::kFloat32, c.w, 2), HostTensor{}};
  const bool is_transposed = result.op == "ConvTranspose";
  const int64_t channels = is_transposed ? c.w[1] * c.group : c.w[0];
  if (c.bias) result.inputs[2] = random_tensor(DataType::kFloat32, {channels}, 3);
  result.constants = {1};
  if (c.bias) result.constants.push_back(2);
  return result;
}

int64_t terms(const Shape& w) { return element_count(w) / w[0]; }

const ConvCase kCases[] = {
    {{1, 3, 17, 19}, {8, 3, 7, 7}, {2, 2}, {3, 3, 3, 3}, {}},
    {{2, 16, 9, 9}, {24, 16, 3, 3}, {}, {1, 1, 1, 1}, {}},
    {{1, 64, 14, 14}, {32, 64, 1, 1}, {}, {}, {}},
    {{3, 5, 7, 11}, {7, 5, 3, 2}, {2, 1}, {1, 0, 0, 1}, {}, 1, "", false},
    {{1, 16, 12, 12}, {16, 16, 3, 3}, {}, {2, 2, 2, 2}, {2, 2}},
    {{1, 32, 10, 10}, {32, 1, 3, 3}, {2, 2}, {1, 1, 1, 1}, {}, 32},
    {{2, 19, 8, 8}, {19, 1, 5, 5}, {}, {2, 2, 2, 2}, {}, 19},
    {{1, 16, 7, 7}, {32, 4, 3, 3}, {}, {1, 1, 1, 1}, {}, 4},
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {}, {}, {}},
    {{2, 6, 31}, {10, 6, 5}, {2}, {2, 2}, {}},
    {{1, 4, 6, 7, 8}, {8, 4, 3, 3, 3}, {1, 2, 1}, {1, 1, 1, 1, 1, 1}, {}},
    {{1, 128, 28, 28}, {128, 128, 3, 3}, {2, 2}, {1, 1, 1, 1}, {}, 1, "relu"},
};

TEST(OnednnConv, MatchesTheReference) {
  for (const ConvCase& c : kCases) {
    SCOPED_TRACE(to_string(c.x) + " * " + to_string(c.w));
    expect_matches_reference(onednn_conv(), op_case(c), terms(c.w));
  }
}

TEST(OnednnConv, MultipliesSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    Taken count;
    for (const ConvCase& c : kCases) {
      SCOPED_TRACE(std::string(to_string(type)) + to_string(c.x) + " * " + to_string(c.w));
      // The bias in float32, as a processor's plans have it, and in 16 bits.
      expect_matches_where_taken(onednn_conv(), in_narrow_floats(op_case(c), type, {2}), terms(c.w),
                                 count);
      expect_matches_where_taken(onednn_conv(), in_narrow_floats(op_case(c), type), terms(c.w),
                                 count);
    }
    EXPECT_LT(count.refused, count.taken / 2);
  }
}

TEST(OnednnConv, GivesFloat32FromSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    OpCase c = op_case({{2, 64, 9, 9}, {32, 64, 3, 3}, {}, {1, 1, 1, 1}, {}, 1, "add(3);relu"});
    c.inputs.push_back(random_tensor(DataType::kFloat32, {2, 32, 9, 9}, 4));
    c = in_narrow_floats(c, type, {2, 3});
    c.output_types = {DataType::kFloat32};
    expect_matches_reference(onednn_conv(), c, 576);
  }
}

TEST(OnednnConv, AddsResidualsOfSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    for (const char* epilogue : {"add(3);relu", "silu;add(3)", "relu;mul(3)"}) {
      for (const Shape& operand : {Shape{2, 64, 14, 13}, Shape{1, 64, 1, 1}}) {
        SCOPED_TRACE(std::string(to_string(type)) + epilogue + to_string(operand));
        OpCase c = op_case({{2, 64, 14, 13}, {64, 64, 3, 3}, {}, {1, 1, 1, 1}, {}, 1, epilogue});
        c.inputs.push_back(random_tensor(DataType::kFloat32, operand, 4));
        expect_matches_reference(onednn_conv(), in_narrow_floats(c, type, {2}), 576);
      }
    }
  }
}

TEST(OnednnConv, TakesWeightsThatAreNotConstant) {
  OpCase c = op_case({{1, 16, 9, 9}, {24, 16, 3, 3}, {}, {1, 1, 1, 1}, {}});
  c.constants = {};
  expect_matches_reference(onednn_conv(), c, 144);
}

TEST(OnednnConv, RunsEveryEpilogue) {
  for (const char* epilogue :
       {"relu", "leaky_relu(0.1)", "clip(0,6)", "clip(-0.5,inf)", "sigmoid", "tanh", "gelu",
        "gelu_tanh", "silu", "hard_swish", "hard_sigmoid(0.2,0.5)", "elu(0.7)", "relu;sigmoid"}) {
    SCOPED_TRACE(epilogue);
    for (int64_t group : {1, 16}) {
      expect_matches_reference(
          onednn_conv(),
          op_case({{1, 16, 6, 6}, {16, 16 / group, 3, 3}, {}, {}, {}, group, epilogue}), 144);
    }
  }
}

TEST(OnednnConv, AddsAndMultipliesByOperandsOfAnyShape) {
  for (const Shape& operand : {Shape{2, 24, 6, 5}, Shape{1, 24, 1, 1}, Shape{24, 1, 1}, Shape{},
                               Shape{1}, Shape{5}, Shape{2, 1, 6, 5}, Shape{2, 24, 1, 1}}) {
    for (const char* epilogue : {"add(3);relu", "relu;mul(3)"}) {
      SCOPED_TRACE(to_string(operand) + " " + epilogue);
      OpCase c = op_case({{2, 16, 6, 5}, {24, 16, 1, 1}, {}, {}, {}, 1, epilogue});
      c.inputs.push_back(random_tensor(DataType::kFloat32, operand, 4));
      expect_matches_reference(onednn_conv(), c, 16);
    }
  }
}

TEST(OnednnConv, PrefersChannelsLastAndRefusesSlowBlocks) {
  const OpCase c = op_case({{1, 64, 14, 14}, {64, 64, 3, 3}, {}, {1, 1, 1, 1}, {}});
  const auto expected = reference(c);
  const backends::Offer offer = onednn_conv().offer(node_facts(c, expected));
  ASSERT_FALSE(offer.forms.empty());
  EXPECT_EQ(offer.forms[0].inputs[0], ir::Layout::kChannelsLast);
  const OpCase doubles{"Conv",
                       {},
                       {tensor(DataType::kFloat64, {1, 1, 1, 1}, {1}),
                        tensor(DataType::kFloat64, {1, 1, 1, 1}, {1})},
                       {DataType::kFloat64}};
  EXPECT_EQ(onednn_conv().offer(node_facts(doubles, reference(doubles))).refusal,
            "computes in float32, not float64");
}

TEST(OnednnConv, BindsWeightsPackedForAnotherBatchAndWidth) {
  OpCase packed_for = op_case({{1, 64, 14, 14}, {96, 64, 3, 3}, {}, {1, 1, 1, 1}, {}});
  backends::NodeFacts node = node_facts(packed_for, reference(packed_for));
  node.inputs[0].layout = node.outputs[0].layout = ir::Layout::kChannelsLast;
  const auto packed = onednn_conv().pack(node);
  ASSERT_TRUE(packed.is_ok()) << packed.status().message();
  ASSERT_EQ(packed->size(), 1u);
  EXPECT_EQ(packed->at(0).input, 1u);
  EXPECT_FALSE(packed->at(0).format.empty());

  OpCase other = packed_for;
  other.inputs[0] = random_tensor(DataType::kFloat32, {3, 64, 9, 11}, 5);
  other.threads = 1;
  const auto expected = reference(other);
  node = node_facts(other, expected);
  node.inputs[0].layout = node.outputs[0].layout = ir::Layout::kChannelsLast;
  node.inputs[1].data = packed->at(0).data->data;
  node.inputs[1].bytes = packed->at(0).data->bytes;
  node.inputs[1].format = packed->at(0).format;
  const auto kernel = onednn_conv().bind(node);
  ASSERT_TRUE(kernel.is_ok()) << kernel.status().message();
  const auto stream = cpu_backend()->create_stream(1);
  const HostTensor x = to_layout(other.inputs[0], ir::Layout::kChannelsLast);
  HostRun run(node, {x.data(), node.inputs[1].data, other.inputs[2].data()}, **stream);
  ASSERT_TRUE(run.execute(**kernel).is_ok());
  EXPECT_TRUE(matches(from_layout(run.result(0), ir::Layout::kChannelsLast), expected[0],
                      tolerance(DataType::kFloat32, 576)));
}

TEST(OnednnDeconv, MatchesTheReference) {
  const ConvCase cases[] = {
      {{1, 8, 5, 7}, {8, 6, 3, 3}, {2, 2}, {1, 1, 1, 1}, {}},
      {{2, 16, 4, 4}, {16, 8, 2, 2}, {2, 2}, {}, {}, 1, "", false},
      {{1, 8, 6, 6}, {8, 2, 3, 3}, {1, 1}, {}, {2, 2}, 4},
      {{1, 3, 9}, {3, 5, 4}, {3}, {1, 0}, {}},
      {{1, 4, 3, 3, 3}, {4, 4, 2, 2, 2}, {2, 2, 2}, {}, {}},
  };
  for (const ConvCase& c : cases) {
    SCOPED_TRACE(to_string(c.x) + " * " + to_string(c.w));
    OpCase deconv = op_case(c, "ConvTranspose");
    expect_matches_reference(onednn_deconv(), deconv, element_count(c.w) / c.w[1]);
    deconv.constants = {};
    expect_matches_reference(onednn_deconv(), deconv, element_count(c.w) / c.w[1]);
  }
}

TEST(OnednnFormat, NamesBringBackTheDescription) {
  using namespace backends::onednn;  // NOLINT
  for (const char* name : {"abcd", "acdb", "Acdb16a", "ABcd8b8a", "ABcd16b16a", "BA16a32b"}) {
    const Shape shape = std::string(name) == "BA16a32b" ? Shape{40, 50} : Shape{40, 50, 3, 3};
    const auto desc = describe_format(DataType::kFloat32, shape, name);
    ASSERT_TRUE(desc.is_ok()) << desc.status().message();
    EXPECT_EQ(format_name(*desc), name);
  }
  EXPECT_FALSE(describe_format(DataType::kFloat32, {4, 4}, "nonsense").is_ok());
  EXPECT_FALSE(describe_format(DataType::kFloat32, {4, 4}, "Acdb16a").is_ok());
}

TEST(OnednnConv, RowMajorIsOfferedLast) {
  OpCase c{"Conv",
           {},
           {random_tensor(DataType::kFloat32, {1, 32, 9, 9}, 1),
            random_tensor(DataType::kFloat32, {32, 32, 3, 3}, 2)}};
  const backends::Offer offer = onednn_conv().offer(node_facts(c, reference(c)));
  ASSERT_GE(offer.forms.size(), 2u);
  EXPECT_EQ(offer.forms.front().config, "");
  const backends::Form& last = offer.forms.back();
  EXPECT_EQ(last.config, kForDataDependentShapes);
  EXPECT_EQ(last.inputs[0], ir::Layout::kPlain);
  EXPECT_EQ(last.outputs[0], ir::Layout::kPlain);
  expect_matches_reference(onednn_conv(), c, 300);
}

}  // namespace
}  // namespace penstock::ops::test
