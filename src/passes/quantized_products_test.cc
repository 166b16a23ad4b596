// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(QuantizedProducts, ConvolutionWithOneScaleForEachFilter) {
  test::expect_rewrite(quantized_products, R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const uint8[][3])
  %w = DequantizeLinear(const int8[2, 2, 3, 3]random, const float32[2][0.25, 2], const int8[2][0, 0]) {axis = 0}
  %y = Conv(%f, %w, const float32[2][1, 2]) {pads = [1, 1, 1, 1]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 2, 5, 5]) {
  %y : float32[n, 2, 5, 5] = QuantizedConv(%x, const int8[2, 2, 3, 3]#, const float32[2][1, 2], const float32[2][0.125, 1]) {pads = [1, 1, 1, 1], x_zero_point = 3}
  return %y
}
)ir");
}

TEST(QuantizedProducts, UnsignedWeightsLoseTheirZeroPoint) {
  test::expect_rewrite(quantized_products, R"ir(
graph g(%x : int8[n, 2, 5]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const int8[][0])
  %w = DequantizeLinear(const uint8[1, 2, 1][130, 0], const float32[][0.25], const uint8[][128])
  %y = Conv(%f, %w)
  return %y
}
)ir",
                       R"ir(
graph g(%x : int8[n, 2, 5]) {
  %y : float32[n, 1, 5] = QuantizedConv(%x, const int8[1, 2, 1][2, -128], _, const float32[][0.125])
  return %y
}
)ir");
}

TEST(QuantizedProducts, ProductOfWeightsTakesTheZeroPointIntoTheBias) {
  test::expect_rewrite(quantized_products, R"ir(
graph g(%x : uint8[n, 2]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const uint8[][3])
  %w = DequantizeLinear(const int8[3, 2][1, 2, 3, 4, -5, 6], const float32[3][1, 2, 4]) {axis = 0}
  %y = MatMul(%f, %w, const float32[3][10, 20, 30]) {alpha = 2f, trans_b = 1}
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 2]) {
  %y : float32[n, 3] = QuantizedMatMul(%x, const int8[3, 2][1, 2, 3, 4, -5, 6], const float32[3][1, -22, 18], const float32[3][1, 2, 4]) {trans_b = 1}
  return %y
}
)ir");
}

TEST(QuantizedProducts, OfActivationsBothKeepTheirZeroPoints) {
  test::expect_rewrite(quantized_products, R"ir(
graph g(%a : uint8[n, 4, 8], %b : uint8[n, 8, 4]) {
  %f = DequantizeLinear(%a, const float32[][0.5], const uint8[][3])
  %h = DequantizeLinear(%b, const float32[][0.5], const uint8[][7])
  %y = MatMul(%f, %h)
  return %y
}
)ir",
                       R"ir(
graph g(%a : uint8[n, 4, 8], %b : uint8[n, 8, 4]) {
  %y : float32[n, 4, 4] = QuantizedMatMul(%a, %b, _, const float32[][0.25]) {w_zero_point = 7, x_zero_point = 3}
  return %y
}
)ir");
}

TEST(QuantizedProducts, BlocksAndOtherAxesStayFloats) {
  test::expect_unchanged(quantized_products, R"ir(
graph g(%x : uint8[n, 4]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const uint8[][3])
  %w = DequantizeLinear(const int8[4, 3]random, const float32[4][1, 2, 3, 4]) {axis = 0}
  %y = MatMul(%f, %w)
  return %y
}
)ir");
  test::expect_unchanged(quantized_products, R"ir(
graph g(%x : float32[n, 4]) {
  %w = DequantizeLinear(const int8[4, 3]random, const float32[3][1, 2, 3]) {axis = 1}
  %y = MatMul(%x, %w)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
