// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/cpu_tactics.h"
#include "ops/matmul/matmul_cases_testing.h"
#include "ops/narrow_cases_testing.h"
#include "ops/onednn_tactics.h"

namespace penstock::ops::test {
namespace {

TEST(OnednnMatMul, MatchesTheReference) {
  for (const MatMulCase& c : matmul_cases()) {
    SCOPED_TRACE(c.text());
    expect_matches_reference(onednn_matmul(), c.op_case(), c.terms());
    expect_matches_reference(onednn_matmul(), c.op_case(/*constant_b=*/true), c.terms());
  }
}

TEST(OnednnMatMul, RunsEveryEpilogue) {
  for (const char* epilogue : matmul_epilogues()) {
    SCOPED_TRACE(epilogue);
    const MatMulCase c{{9, 33}, {33, 21}, {21}, false, false, 1.0f, epilogue};
    expect_matches_reference(onednn_matmul(), c.op_case(true), c.terms());
  }
}

TEST(OnednnMatMul, MultipliesSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    Taken count;
    for (const MatMulCase& c : matmul_cases()) {
      for (bool constant : {false, true}) {
        SCOPED_TRACE(std::string(to_string(type)) + " " + c.text());
        const OpCase wide = c.op_case(constant);
        expect_matches_where_taken(onednn_matmul(), in_narrow_floats(wide, type, {2}), c.terms(),
                                   count);
        expect_matches_where_taken(onednn_matmul(), in_narrow_floats(wide, type), c.terms(), count);
      }
    }
    EXPECT_LT(count.refused, count.taken / 2);
  }
}

TEST(OnednnMatMul, GivesFloat32FromSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    for (const Shape& operand : {Shape{9, 48}, Shape{48}}) {
      MatMulCase wide{{9, 64}, {64, 48}, {48}, false, false, 1.0f, "add(3);relu", operand};
      OpCase c = in_narrow_floats(wide.op_case(true), type, {2, 3});
      c.output_types = {DataType::kFloat32};
      expect_matches_reference(onednn_matmul(), c, wide.terms());
    }
  }
}

TEST(OnednnMatMul, RunsEveryEpilogueInSixteenBits) {
  PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS();
  for (DataType type : multiplied_narrow_floats()) {
    for (const char* epilogue : matmul_epilogues()) {
      SCOPED_TRACE(epilogue);
      const MatMulCase c{{9, 64}, {64, 48}, {48}, false, false, 1.0f, epilogue};
      expect_matches_reference(onednn_matmul(), in_narrow_floats(c.op_case(true), type, {2}),
                               c.terms());
    }
  }
}

TEST(OnednnMatMul, BindsWeightsPackedForFewerRows) {
  const MatMulCase one{{1, 64}, {64, 96}};
  const MatMulCase many{{77, 64}, {64, 96}};
  for (const char* config : {"", "inner_product"}) {
    const OpCase packed_for = one.op_case(true);
    backends::NodeFacts node = node_facts(packed_for, reference(packed_for));
    node.config = config;
    const auto packed = onednn_matmul().pack(node);
    ASSERT_TRUE(packed.is_ok()) << packed.status().message();

    OpCase c = many.op_case(true);
    c.inputs[1] = packed_for.inputs[1];
    const auto expected = reference(c);
    node = node_facts(c, expected);
    node.config = config;
    for (const backends::PackedConstant& constant : *packed) {
      node.inputs[1].data = constant.data->data;
      node.inputs[1].format = constant.format;
    }
    const auto kernel = onednn_matmul().bind(node);
    ASSERT_TRUE(kernel.is_ok()) << kernel.status().message();
    const auto stream = cpu_backend()->create_stream(2);
    HostRun run(node, {c.inputs[0].data(), node.inputs[1].data}, **stream);
    ASSERT_TRUE(run.execute(**kernel).is_ok());
    EXPECT_TRUE(matches(run.result(0), expected[0], tolerance(DataType::kFloat32, 64)));
  }
}

}  // namespace
}  // namespace penstock::ops::test
