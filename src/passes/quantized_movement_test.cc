// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(QuantizedMovement, PoolingBetweenEqualScalesRunsIn8Bits) {
  test::expect_rewrite(quantized_movement, R"ir(
graph g(%x : uint8[n, 3, 8, 8]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const uint8[][3])
  %p = MaxPool(%f) {kernel_shape = [2, 2], strides = [2, 2]}
  %q = QuantizeLinear(%p, const float32[][0.5], const uint8[][3])
  %y = DequantizeLinear(%q, const float32[][0.5], const uint8[][3])
  return %y
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 3, 8, 8]) {
  %p.6 : uint8[n, 3, 4, 4] = MaxPool(%x) {kernel_shape = [2, 2], strides = [2, 2]}
  %y : float32[n, 3, 4, 4] = DequantizeLinear(%p.6, const float32[][0.5], const uint8[][3])
  return %y
}
)ir");
}

TEST(QuantizedMovement, BetweenOthersOneStepIsLeftOfEach) {
  test::expect_rewrite(quantized_movement, R"ir(
graph g(%x : int8[n, 4, 6]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const int8[][3])
  %t = Transpose(%f) {perm = [0, 2, 1]}
  %r = Reshape(%t) {shape = {n, 24}}
  %y = Relu(%r)
  return %y
}
)ir",
                       R"ir(
graph g(%x : int8[n, 4, 6]) {
  %t.2 : int8[n, 6, 4] = Transpose(%x) {perm = [0, 2, 1]}
  %r.3 : int8[n, 24] = Reshape(%t.2) {shape = {n, 24}}
  %r : float32[n, 24] = DequantizeLinear(%r.3, const float32[][0.5], const int8[][3])
  %y : float32[n, 24] = Relu(%r)
  return %y
}
)ir");
}

TEST(QuantizedMovement, ConcatOfEqualScalesOnly) {
  test::expect_rewrite(quantized_movement, R"ir(
graph g(%a : int8[n, 4], %b : int8[n, 4]) {
  %f = DequantizeLinear(%a, const float32[][0.5])
  %h = DequantizeLinear(%b, const float32[][0.5])
  %y = Concat(%f, %h) {axis = 1}
  return %y
}
)ir",
                       R"ir(
graph g(%a : int8[n, 4], %b : int8[n, 4]) {
  %y.2 : int8[n, 8] = Concat(%a, %b) {axis = 1}
  %y : float32[n, 8] = DequantizeLinear(%y.2, const float32[][0.5])
  return %y
}
)ir");
  test::expect_unchanged(quantized_movement, R"ir(
graph g(%a : int8[n, 4], %b : int8[n, 4]) {
  %f = DequantizeLinear(%a, const float32[][0.5])
  %h = DequantizeLinear(%b, const float32[][0.25])
  %y = Concat(%f, %h) {axis = 1}
  return %y
}
)ir");
}

TEST(QuantizedMovement, ScalesOfAnAxisFollowATranspose) {
  test::expect_rewrite(quantized_movement, R"ir(
graph g(%w : int8[3, 5]) {
  %f = DequantizeLinear(%w, const float32[3][0.5, 1, 2]) {axis = 0}
  %y = Transpose(%f) {perm = [1, 0]}
  return %y
}
)ir",
                       R"ir(
graph g(%w : int8[3, 5]) {
  %y.1 : int8[5, 3] = Transpose(%w) {perm = [1, 0]}
  %y : float32[5, 3] = DequantizeLinear(%y.1, const float32[3][0.5, 1, 2]) {axis = 1}
  return %y
}
)ir");
}

TEST(QuantizedMovement, QuantizationRisesToAProduct) {
  test::expect_rewrite(quantized_movement, R"ir(
graph g(%x : uint8[n, 3, 8, 8]) {
  %c = QuantizedConv(%x, const int8[4, 3, 1, 1]random, _, const float32[][0.01])
  %p = MaxPool(%c) {kernel_shape = [2, 2], strides = [2, 2]}
  %q = QuantizeLinear(%p, const float32[][0.5], const uint8[][3])
  return %q
}
)ir",
                       R"ir(
graph g(%x : uint8[n, 3, 8, 8]) {
  %c : float32[n, 4, 8, 8] = QuantizedConv(%x, const int8[4, 3, 1, 1][7, 0, 7, 5, 2, 2, 5, 1, 3, 4, 5, 6], _, const float32[][0.01])
  %q.4 : uint8[n, 4, 8, 8] = QuantizeLinear(%c, const float32[][0.5], const uint8[][3])
  %q : uint8[n, 4, 4, 4] = MaxPool(%q.4) {kernel_shape = [2, 2], strides = [2, 2]}
  return %q
}
)ir");
}

TEST(QuantizedMovement, WhatIsNeverNegativeIsUnsigned) {
  test::expect_rewrite(quantized_movement, R"ir(
graph g(%x : float32[n, 4]) {
  %q = QuantizeLinear(%x, const float32[][0.5], const int8[][-128]) {output_dtype = 3}
  %f = DequantizeLinear(%q, const float32[][0.5], const int8[][-128])
  %h = DequantizeLinear(%q, const float32[][0.5], const int8[][-128])
  %y = Relu(%f)
  return %y, %h
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %q.6 : uint8[n, 4] = QuantizeLinear(%x, const float32[][0.5], const uint8[][0]) {output_dtype = 2}
  %f : float32[n, 4] = DequantizeLinear(%q.6, const float32[][0.5], const uint8[][0])
  %h : float32[n, 4] = DequantizeLinear(%q.6, const float32[][0.5], const uint8[][0])
  %y : float32[n, 4] = Relu(%f)
  return %y, %h
}
)ir");
}

TEST(QuantizedMovement, OtherScalesRoundAgain) {
  test::expect_unchanged(quantized_movement, R"ir(
graph g(%x : uint8[n, 3]) {
  %f = DequantizeLinear(%x, const float32[][0.5], const uint8[][3])
  %q = QuantizeLinear(%f, const float32[][0.4], const uint8[][3])
  return %q
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
