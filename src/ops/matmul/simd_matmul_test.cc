// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/simd_matmul.h"

#include <gtest/gtest.h>

#include "ops/matmul/matmul_cases_testing.h"

namespace penstock::ops::test {
namespace {

const backends::Tactic& tactic() { return *matmul_simd_tactics().at(0).second; }

bool offers(const OpCase& c) { return !tactic().offer(node_facts(c, reference(c))).forms.empty(); }

TEST(SimdMatMul, MatchesTheReference) {
  int taken = 0;
  for (const MatMulCase& c : matmul_cases()) {
    SCOPED_TRACE(c.text());
    if (!offers(c.op_case())) continue;
    ++taken;
    for (int threads : {1, 3}) {
      for (bool constant_b : {false, true}) {
        OpCase op = c.op_case(constant_b);
        op.threads = threads;
        expect_matches_reference(tactic(), op, c.terms());
      }
    }
  }
  EXPECT_EQ(taken, static_cast<int>(matmul_cases().size()) - 2);  // all but those with mul
}

TEST(SimdMatMul, RunsTheEpiloguesItHas) {
  int taken = 0;
  for (const char* epilogue : matmul_epilogues()) {
    const MatMulCase c{{9, 33}, {33, 21}, {21}, false, false, 1.0f, epilogue};
    if (!offers(c.op_case())) continue;
    ++taken;
    SCOPED_TRACE(epilogue);
    expect_matches_reference(tactic(), c.op_case(true), c.terms());
  }
  EXPECT_EQ(taken, 11);
}

TEST(SimdMatMul, SaysWhatItLacks) {
  const MatMulCase c{{2, 3}, {3, 2}, {}, false, false, 1.0f, "elu(0.5)"};
  EXPECT_EQ(tactic().offer(node_facts(c.op_case(), reference(c.op_case()))).refusal,
            "the kernel has no elu(0.5)");
}

TEST(SimdMatMul, OverwritesOnlyAWholeResidual) {
  const MatMulCase c{{5, 7}, {7, 3}, {3}, false, false, 1.0f, "add(3)", {5, 3}};
  const backends::NodeFacts node = node_facts(c.op_case(), reference(c.op_case()));
  EXPECT_FALSE(tactic().can_run_in_place(node, 0));
  EXPECT_FALSE(tactic().can_run_in_place(node, 2));
  EXPECT_TRUE(tactic().can_run_in_place(node, 3));
}

TEST(SimdMatMul, RefusesWeightsPackedForAnotherProcessor) {
  const MatMulCase c{{5, 7}, {7, 3}};
  backends::NodeFacts node = node_facts(c.op_case(), reference(c.op_case()));
  node.inputs[1].format = "gemm_packed_b_f32_nr999";
  EXPECT_EQ(tactic().bind(node).status().code(), StatusCode::kInvalidPlan);
}

}  // namespace
}  // namespace penstock::ops::test
