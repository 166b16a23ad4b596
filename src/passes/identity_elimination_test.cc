// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(IdentityElimination, NodesThatPassTheirInputOn) {
  test::expect_rewrite(identity_elimination, R"ir(
graph g(%x : float32[n, 4]) {
  %a = Copy(%x)
  %b = Cast(%a) {to = 1}
  %c = Add(%b, const float32[][0])
  %d = Mul(const float32[1][1], %c)
  %e = Reshape(%d) {allowzero = 1, shape = {n, 4}}
  %f = Transpose(%e) {perm = [0, 1]}
  %h = Concat(%f) {axis = 0}
  %y = Relu(%h)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 4]) {
  %y : float32[n, 4] = Relu(%x)
  return %y
}
)ir");
}

TEST(IdentityElimination, ABroadcastIsNoIdentity) {
  test::expect_unchanged(identity_elimination, R"ir(
graph g(%x : float32[4]) {
  %y = Add(%x, const float32[2, 1][0, 0])
  return %y
}
)ir");
}

TEST(IdentityElimination, ReshapesAndTransposesInARowBecomeOne) {
  test::expect_rewrite(identity_elimination, R"ir(
graph g(%x : float32[n, 3, 4]) {
  %a = Reshape(%x) {allowzero = 1, shape = {n, 12}}
  %b = Reshape(%a) {allowzero = 1, shape = {n, 4, 3}}
  %c = Transpose(%b) {perm = [1, 0, 2]}
  %d = Transpose(%c) {perm = [2, 1, 0]}
  return %d
}
)ir",
                       R"ir(
graph g(%x : float32[n, 3, 4]) {
  %b : float32[n, 4, 3] = Reshape(%x) {allowzero = 1, shape = {n, 4, 3}}
  %d : float32[3, n, 4] = Transpose(%b) {perm = [2, 0, 1]}
  return %d
}
)ir");
}

TEST(IdentityElimination, MovingAnAxisOfOneIsAReshape) {
  test::expect_rewrite(identity_elimination, R"ir(
graph g(%x : float32[n, 1, 4]) {
  %y = Transpose(%x) {perm = [1, 0, 2]}
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n, 1, 4]) {
  %y : float32[1, n, 4] = Reshape(%x) {allowzero = 1, shape = {1, n, 4}}
  return %y
}
)ir");
}

TEST(IdentityElimination, OutputsKeepTheirNames) {
  test::expect_unchanged(identity_elimination, R"ir(
graph g(%x : float32[n]) {
  %a = Relu(%x)
  %y = Copy(%a)
  %z = Copy(%x)
  return %y, %z, %a
}
)ir");
}

TEST(IdentityElimination, AKnownBranchIsInlined) {
  test::expect_rewrite(identity_elimination, R"ir(
graph g(%x : float32[n]) {
  %y = If(const bool[][1])
    region() {
      %t = Relu(%x)
      return %t
    }
    region() {
      %e = Neg(%x)
      return %e
    }
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n]) {
  %y : float32[n] = Relu(%x)
  return %y
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
