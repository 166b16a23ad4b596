// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/pipeline.h"

#include <algorithm>

#include "ops/testing.h"
#include "passes/testing.h"

namespace penstock::passes {
namespace {

// One encoder layer as PyTorch exports it: shape arithmetic, root scales, a guard against NaN.
constexpr std::string_view kEncoderLayer = R"ir(
graph g(%x : float32[batch, seq, 16], %keep : bool[batch, 1, 1, seq]) {
  %s0 = Shape(%x)
  %b = Gather(%s0, const int64[][0]) {axis = 0}
  %b1 = Unsqueeze(%b, const int64[1][0])
  %s = Gather(%s0, const int64[][1]) {axis = 0}
  %s1 = Unsqueeze(%s, const int64[1][0])
  %heads = Concat(%b1, %s1, const int64[1][2], const int64[1][8]) {axis = 0}
  %flat = Concat(%b1, %s1, const int64[1][-1]) {axis = 0}
  %q0 = MatMul(%x, const float32[16, 16]random)
  %q1 = Add(const float32[16]random, %q0)
  %q2 = Reshape(%q1, %heads)
  %q3 = Transpose(%q2) {perm = [0, 2, 1, 3]}
  %q4 = Mul(%q3, const float32[][0.5946036])
  %k0 = MatMul(%x, const float32[16, 16]random)
  %k1 = Add(%k0, const float32[16]random)
  %k2 = Reshape(%k1, %heads)
  %k3 = Transpose(%k2) {perm = [0, 2, 3, 1]}
  %k4 = Mul(%k3, const float32[][0.5946036])
  %v0 = MatMul(%x, const float32[16, 16]random)
  %v2 = Reshape(%v0, %heads)
  %v3 = Transpose(%v2) {perm = [0, 2, 1, 3]}
  %p0 = MatMul(%q4, %k4)
  %m0 = Where(%keep, const float32[1][0], const float32[1][-inf])
  %p1 = Add(%p0, %m0)
  %p2 = Softmax(%p1) {axis = -1}
  %nan = IsNaN(%p2)
  %p3 = Where(%nan, const float32[][0], %p2)
  %a0 = MatMul(%p3, %v3)
  %a1 = Transpose(%a0) {perm = [0, 2, 1, 3]}
  %a2 = Reshape(%a1, %flat)
  %o0 = MatMul(%a2, const float32[16, 16]random)
  %o1 = Add(%o0, const float32[16]random)
  %o2 = Add(%x, %o1)
  %n = LayerNormalization(%o2, const float32[16]random, const float32[16]random) {axis = -1}
  %f0 = MatMul(%n, const float32[16, 32]random)
  %f1 = Add(%f0, const float32[32]random)
  %g0 = Div(%f1, const float32[][1.4142135])
  %g1 = Erf(%g0)
  %g2 = Add(%g1, const float32[][1])
  %g3 = Mul(%f1, %g2)
  %g4 = Mul(%g3, const float32[][0.5])
  %h0 = MatMul(%g4, const float32[32, 16]random)
  %y = Add(%h0, %n)
  return %y
})ir";

Status run_all(ir::Graph& graph) { return run_pipeline(graph); }

TEST(Pipeline, AnEncoderLayerBecomesSixNodes) {
  test::expect_rewrite(run_all, kEncoderLayer, R"ir(
graph g(%x : float32[batch, seq, 16], %keep : bool[batch, 1, 1, seq]) {
  %q0.33 : float32[batch, seq, 48] = MatMul(%x, const float32[16, 48]#, const float32[48]#)
  %a0.31 : float32[batch, seq, 16] = Attention(%q0.33, %q0.33, %q0.33, %keep) {head_size = 8, heads = 2, layout = "bshd", nan_to_zero = 1, offsets = [0, 16, 32], scale = 0.35355344f, value_size = 8}
  %o2 : float32[batch, seq, 16] = MatMul(%a0.31, const float32[16, 16]#, const float32[16]#, %x) {epilogue = "add(3)"}
  %n : float32[batch, seq, 16] = LayerNormalization(%o2, const float32[16]#, const float32[16]#) {axis = -1}
  %g4 : float32[batch, seq, 32] = MatMul(%n, const float32[16, 32]#, const float32[32]#) {epilogue = "gelu"}
  %y : float32[batch, seq, 16] = MatMul(%g4, const float32[32, 16]#, _, %n) {epilogue = "add(3)"}
  return %y
}
)ir");
}

TEST(Pipeline, AResidualBlockBecomesItsConvolutions) {
  test::expect_rewrite(run_all, R"ir(
graph g(%x : float32[n, 3, 6, 6]) {
  %a = Conv(%x, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %b = BatchNormalization(%a, const float32[3]random, const float32[3]random, const float32[3]random, const float32[3][1, 2, 1])
  %c = Relu(%b)
  %d = Conv(%c, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %e = BatchNormalization(%d, const float32[3]random, const float32[3]random, const float32[3]random, const float32[3][1, 2, 1])
  %f = Add(%e, %x)
  %g = Relu(%f)
  %h = GlobalAveragePool(%g)
  %i = Flatten(%h)
  %y = MatMul(%i, const float32[10, 3]random, const float32[10]random) {trans_b = 1}
  return %y
})ir",
                       R"ir(
graph g(%x : float32[n, 3, 6, 6]) {
  %c : float32[n, 3, 6, 6] = Conv(%x, const float32[3, 3, 3, 3]#, const float32[3][-0.3434595, -0.5627355, 0.07348204]) {epilogue = "relu", pads = [1, 1, 1, 1]}
  %g : float32[n, 3, 6, 6] = Conv(%c, const float32[3, 3, 3, 3]#, const float32[3][-0.050561484, 0.8357121, 1.2977035], %x) {epilogue = "add(3);relu", pads = [1, 1, 1, 1]}
  %h : float32[n, 3, 1, 1] = GlobalAveragePool(%g)
  %i : float32[n, 3] = Reshape(%h) {allowzero = 1, shape = {n, 3}}
  %y : float32[n, 10] = MatMul(%i, const float32[10, 3]#, const float32[10]#) {trans_b = 1}
  return %y
}
)ir");
}

// A block of a network as quantizers write it, on the 8 bits alone.
TEST(Pipeline, AQuantizedBlockRunsIn8Bits) {
  constexpr std::string_view kBlock = R"ir(
graph g(%x : float32[batch, 8, 9, 9]) {
  %q = QuantizeLinear(%x, const float32[][0.02], const uint8[][128]) {output_dtype = 2}
  %f = DequantizeLinear(%q, const float32[][0.02], const uint8[][128])
  %w = DequantizeLinear(const int8[8, 8, 3, 3]random, const float32[8][0.01, 0.02, 0.01, 0.02, 0.01, 0.02, 0.01, 0.02]) {axis = 0}
  %b = DequantizeLinear(const int32[8]random, const float32[][0.0002])
  %c = Conv(%f, %w, %b) {pads = [1, 1, 1, 1]}
  %cq = QuantizeLinear(%c, const float32[][0.05], const uint8[][120]) {output_dtype = 2}
  %cf = DequantizeLinear(%cq, const float32[][0.05], const uint8[][120])
  %s = Add(%cf, %f)
  %r = Relu(%s)
  %rq = QuantizeLinear(%r, const float32[][0.04], const uint8[][0]) {output_dtype = 2}
  %rf = DequantizeLinear(%rq, const float32[][0.04], const uint8[][0])
  %p = MaxPool(%rf) {kernel_shape = [2, 2], strides = [2, 2]}
  %pq = QuantizeLinear(%p, const float32[][0.04], const uint8[][0]) {output_dtype = 2}
  %y = DequantizeLinear(%pq, const float32[][0.04], const uint8[][0])
  return %y
})ir";
  ir::Graph graph = test::parsed(kBlock);
  const Status done = run_pipeline(graph);
  ASSERT_TRUE(done.is_ok()) << done.message();
  std::vector<std::string> ops;
  for (const ir::Node& node : graph.main.nodes) ops.push_back(node.op);
  EXPECT_EQ(ops, (std::vector<std::string>{"Pointwise", "QuantizedConv", "MaxPool", "Pointwise"}));
  ir::Graph before = test::parsed(kBlock);
  const test::Extents extents = {{"batch", 2}};
  const auto inputs = test::random_inputs(before, extents);
  const auto expected = test::evaluate(before, extents, inputs);
  const auto actual = test::evaluate(graph, extents, inputs);
  ASSERT_TRUE(expected.is_ok() && actual.is_ok());
  // Sums in float32 and in integers may fall to two sides of a tie: one unit.
  EXPECT_TRUE(ops::test::matches(actual->at(0), expected->at(0), {0.041, 0}));
}

TEST(Pipeline, StopsAfterAPassOrAPhase) {
  const std::vector<std::string> names = pipeline_names();
  EXPECT_EQ(names.front(), "simplify");
  for (const std::string& name : names) {
    ir::Graph graph = test::parsed(kEncoderLayer);
    PipelineOptions options;
    options.stop_after = name;
    std::vector<std::string> ran;
    options.on_pass = [&](std::string_view pass, size_t, size_t) { ran.emplace_back(pass); };
    const Status done = run_pipeline(graph, options);
    ASSERT_TRUE(done.is_ok()) << done.message();
    const bool is_phase =
        name == "simplify" || name == "recognise" || name == "quantize" || name == "fuse";
    EXPECT_EQ(ran.back(), is_phase ? "dead_code" : name);
  }
}

TEST(Pipeline, NamesWhatItKnowsWhenAskedForSomethingElse) {
  ir::Graph graph = test::parsed("graph g(%x : float32[2]) { return %x }");
  PipelineOptions options;
  options.stop_after = "fold";
  const Status status = run_pipeline(graph, options);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("no pass or phase 'fold'; there are simplify"),
            std::string::npos);
}

TEST(Pipeline, WithoutFusionOperatorsStayApart) {
  ir::Graph graph = test::parsed(kEncoderLayer);
  PipelineOptions options;
  options.fuse = false;
  ASSERT_TRUE(run_pipeline(graph, options).is_ok());
  const bool has_gelu = std::any_of(graph.main.nodes.begin(), graph.main.nodes.end(),
                                    [](const ir::Node& node) { return node.op == "Gelu"; });
  EXPECT_TRUE(has_gelu);
}

TEST(Pipeline, FusedNodesRememberWhatTheyCameFrom) {
  ir::Graph graph = test::parsed(R"ir(
graph g(%x : float32[n, 3, 6, 6]) {
  %conv = Conv(%x, const float32[3, 3, 3, 3]random) {pads = [1, 1, 1, 1]}
  %norm = BatchNormalization(%conv, const float32[3]random, const float32[3]random, const float32[3]random, const float32[3][1, 2, 1])
  %sum = Add(%x, %norm)
  %y = Relu(%sum)
  return %y
})ir");
  ASSERT_TRUE(run_pipeline(graph).is_ok());
  ASSERT_EQ(graph.main.nodes.size(), 1u);
  const ir::Node& fused = graph.main.nodes.front();
  EXPECT_EQ(fused.name, "conv");
  EXPECT_EQ(fused.outputs[0]->name, "y");
  EXPECT_EQ(fused.origins, (std::vector<std::string>{"conv", "norm", "sum", "y"}));
}

}  // namespace
}  // namespace penstock::passes
