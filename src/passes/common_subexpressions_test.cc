// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/testing.h"

namespace penstock::passes {
namespace {

TEST(CommonSubexpressions, KeepsTheFirstOfEqualNodes) {
  test::expect_rewrite(common_subexpressions, R"ir(
graph g(%x : float32[n]) {
  %a = Mul(%x, const float32[][2])
  %b = Mul(%x, const float32[][2])
  %c = Mul(%x, const float32[][3])
  %d = Add(%a, %b)
  %y = Add(%d, %c)
  return %y
}
)ir",
                       R"ir(
graph g(%x : float32[n]) {
  %a : float32[n] = Mul(%x, const float32[][2])
  %c : float32[n] = Mul(%x, const float32[][3])
  %d : float32[n] = Add(%a, %a)
  %y : float32[n] = Add(%d, %c)
  return %y
}
)ir");
}

TEST(CommonSubexpressions, ABranchMayUseWhatIsOutside) {
  test::expect_rewrite(common_subexpressions, R"ir(
graph g(%c : bool[], %x : float32[n]) {
  %a = Neg(%x)
  %y = If(%c)
    region() {
      %t = Neg(%x)
      %u = Abs(%t)
      return %u
    }
    region() {
      %e = Abs(%x)
      return %e
    }
  %z = Abs(%x)
  return %y, %a, %z
}
)ir",
                       R"ir(
graph g(%c : bool[], %x : float32[n]) {
  %a : float32[n] = Neg(%x)
  %y : float32[n] = If(%c)
    region() {
      %u : float32[n] = Abs(%a)
      return %u
    }
    region() {
      %e : float32[n] = Abs(%x)
      return %e
    }
  %z : float32[n] = Abs(%x)
  return %y, %a, %z
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
