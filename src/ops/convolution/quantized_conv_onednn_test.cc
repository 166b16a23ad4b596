// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_quantized.h"
#include "ops/onednn_tactics.h"
#include "ops/quantized_cases_testing.h"

namespace penstock::ops::test {
namespace {

using Ints = std::vector<int64_t>;

struct ConvShape {
  Shape x, w, y;
  Ints strides, pads, dilations;
  int64_t group = 1;
};

const ConvShape kShapes[] = {
    {{1, 3, 17, 19}, {8, 3, 7, 7}, {1, 8, 9, 10}, {2, 2}, {3, 3, 3, 3}, {}},
    {{2, 16, 9, 9}, {24, 16, 3, 3}, {2, 24, 9, 9}, {}, {1, 1, 1, 1}, {}},
    {{1, 64, 14, 14}, {32, 64, 1, 1}, {1, 32, 14, 14}, {}, {}, {}},
    {{3, 5, 7, 11}, {7, 5, 3, 2}, {3, 7, 3, 11}, {2, 1}, {1, 0, 0, 1}, {}},
    {{1, 16, 12, 12}, {16, 16, 3, 3}, {1, 16, 12, 12}, {}, {2, 2, 2, 2}, {2, 2}},
    {{1, 32, 10, 10}, {32, 1, 3, 3}, {1, 32, 5, 5}, {2, 2}, {1, 1, 1, 1}, {}, 32},
    {{1, 16, 7, 7}, {32, 4, 3, 3}, {1, 32, 7, 7}, {}, {1, 1, 1, 1}, {}, 4},
    {{2, 6, 31}, {10, 6, 5}, {2, 10, 16}, {2}, {2, 2}, {}},
};

OpCase op_case(const ConvShape& c, const QuantizedCase& q) {
  const auto limit = static_cast<double>(q.w_limit);
  OpCase result{"QuantizedConv",
                {},
                {random_bytes(q.x, c.x, 1), random_tensor(DataType::kInt8, c.w, 2, -limit, limit)}};
  if (!c.strides.empty()) result.attributes.set("strides", c.strides);
  if (!c.pads.empty()) result.attributes.set("pads", c.pads);
  if (!c.dilations.empty()) result.attributes.set("dilations", c.dilations);
  result.attributes.set("group", c.group);
  complete(result, q, element_count(c.w) / c.w[0], c.w[0], c.y);
  return result;
}

void expect_all(int64_t w_limit) {
  for (const ConvShape& c : kShapes) {
    for (const QuantizedCase& q : quantized_cases(w_limit)) {
      SCOPED_TRACE(to_string(c.x) + " * " + to_string(c.w) + ", " + q.text());
      expect_matches_reference(onednn_quantized_conv(), op_case(c, q), element_count(c.w) / c.w[0]);
    }
  }
}

TEST(OnednnQuantizedConv, MatchesTheReference) { expect_all(127); }

// Without VNNI instructions these take another way.
TEST(OnednnQuantizedConv, MatchesTheReferenceInSevenBits) { expect_all(64); }

TEST(OnednnQuantizedConv, ComputesIn8BitsWhereSumsAreExact) {
  OpCase c = op_case(kShapes[1], {DataType::kUInt8, 0, 64, DataType::kUInt8});
  auto node = node_facts(c, reference(c));
  EXPECT_TRUE(check_exact_sums(node).is_ok());
  const backends::Offer offer = onednn_quantized_conv().offer(node);
  ASSERT_FALSE(offer.forms.empty());
  EXPECT_NE(offer.forms[0].config, kInFloats);
  EXPECT_EQ(offer.forms[0].inputs[0], ir::Layout::kChannelsLast);
}

TEST(OnednnQuantizedConv, SaysWhatItDoesNotTake) {
  constexpr auto kFloat8 = DataType::kFloat8E4M3FN;
  const OpCase c = {"QuantizedConv",
                    {},
                    {tensor(kFloat8, {1, 1, 2}, {1, 2}), tensor(kFloat8, {1, 1, 1}, {1}),
                     HostTensor(), floats({}, {1})}};
  const auto offer = onednn_quantized_conv().offer(node_facts(c, reference(c)));
  EXPECT_TRUE(offer.forms.empty());
  EXPECT_NE(offer.refusal.find("takes weights of int8, not float8e4m3fn"), std::string::npos);
}

}  // namespace
}  // namespace penstock::ops::test
