// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(QuantizedEpilogues, ActivationAndQuantizationOfTheResult) {
  test::expect_rewrite(quantized_epilogues, R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %c = QuantizedConv(%x, const int8[4, 2, 1, 1]random, _, const float32[][0.01])
  %r = Relu(%c)
  %y = QuantizeLinear(%r, const float32[][0.5], const int8[][-128])
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %y : int8[n, 4, 5, 5] = QuantizedConv(%x, const int8[4, 2, 1, 1][7, 0, 7, 5, 2, 2, 5, 1], _, const float32[][0.01]) {epilogue = "relu", output_dtype = 3, y_scale = 0.5f, y_zero_point = -128}
  return %y
}
)ir");
}

// Quantized models round a convolution's result once more before a residual sum.
TEST(QuantizedEpilogues, ResidualSumOf8Bits) {
  test::expect_rewrite(quantized_epilogues, R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %c = QuantizedConv(%x, const int8[2, 2, 1, 1]random, _, const float32[][0.01])
  %q = QuantizeLinear(%c, const float32[][0.25], const uint8[][120])
  %d = DequantizeLinear(%q, const float32[][0.25], const uint8[][120])
  %f = DequantizeLinear(%x, const float32[][0.5], const uint8[][3])
  %s = Add(%d, %f)
  %y = QuantizeLinear(%s, const float32[][0.5], const uint8[][0])
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %y : uint8[n, 2, 5, 5] = QuantizedConv(%x, const int8[2, 2, 1, 1][7, 0, 7, 5], _, const float32[][0.01], %x) {epilogue = "round(0.25,-120,135);add(4,0.5,3)", output_dtype = 2, y_scale = 0.5f}
  return %y
}
)ir");
}

TEST(QuantizedEpilogues, AResultThatOthersReadTooIsStoredIn8Bits) {
  test::expect_rewrite(quantized_epilogues, R"ir(
graph g(%x : uint8[n, 8]) {
  %c = QuantizedMatMul(%x, const int8[8, 4]random, _, const float32[][0.01])
  %q = QuantizeLinear(%c, const float32[][0.25], const uint8[][120])
  %d = DequantizeLinear(%q, const float32[][0.25], const uint8[][120])
  %s = Sigmoid(%d)
  %y = Mul(%d, %s)
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 8]) {
  %q : uint8[n, 4] = QuantizedMatMul(%x, const int8[8, 4]#, _, const float32[][0.01]) {output_dtype = 2, y_scale = 0.25f, y_zero_point = 120}
  %d : float32[n, 4] = DequantizeLinear(%q, const float32[][0.25], const uint8[][120])
  %s : float32[n, 4] = Sigmoid(%d)
  %y : float32[n, 4] = Mul(%d, %s)
  return %y
}
)ir");
}

TEST(QuantizedEpilogues, FactorsAndAddendsOfChannelsGoIntoScaleAndBias) {
  test::expect_rewrite(quantized_epilogues, R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %c = QuantizedConv(%x, const int8[2, 2, 1, 1]random, const float32[2][1, 2], const float32[][0.5])
  %m = Mul(%c, const float32[2, 1, 1][2, 4])
  %s = Add(%m, const float32[2, 1, 1][0.5, -1])
  %y = Relu(%s)
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %y : float32[n, 2, 5, 5] = QuantizedConv(%x, const int8[2, 2, 1, 1][7, 0, 7, 5], const float32[2][2.5, 7], const float32[2][1, 2]) {epilogue = "relu"}
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
