// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The code of docs/how-to/add-a-pass.md.
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/testing.h"

namespace penstock::passes {
namespace {

// [pass]
// -(-x) is x.
Status double_negation(ir::Graph& graph) {
  const Pattern twice = op("Neg", {op("Neg", {var(0)})});
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (const std::optional<Match> match = twice.find(node.output(), rewriter)) {
      rewriter.replace(node.output(), match->vars[0]);
    }
  });
  rewriter.sweep();
  return rewriter.status();
}
// [end]

// [test]
TEST(DoubleNegation, VanishesBetweenOtherNodes) {
  test::expect_rewrite(double_negation, R"(graph main(%x : float32[batch, 4]) {
  %a : float32[batch, 4] = Neg(%x)
  %b : float32[batch, 4] = Neg(%a)
  %y : float32[batch, 4] = Relu(%b)
  return %y
}
)",
                       R"(graph main(%x : float32[batch, 4]) {
  %y : float32[batch, 4] = Relu(%x)
  return %y
}
)");
}
// [end]

TEST(DoubleNegation, StaysWhereTheInnerOneIsNeeded) {
  test::expect_unchanged(double_negation, R"(graph main(%x : float32[4]) {
  %a : float32[4] = Neg(%x)
  %b : float32[4] = Neg(%a)
  %y : float32[4] = Add(%a, %b)
  return %y
}
)");
}

}  // namespace
}  // namespace penstock::passes
