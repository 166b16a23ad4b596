// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/einsum_equation.h"
#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::HasSubstr;

ModelBuilder einsum(const char* equation, const std::vector<Extents>& shapes) {
  ModelBuilder model;
  Names inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    inputs.push_back("x" + std::to_string(i));
    model.input(inputs.back(), shapes[i]);
  }
  return model.node("Einsum", inputs, {"y"}, {{"equation", equation}}).output("y");
}

// "MatMul -> [2, 3]"
std::string lowered(const char* equation, const std::vector<Extents>& shapes) {
  Result<ir::Graph> graph = einsum(equation, shapes).import();
  if (!graph.is_ok()) return graph.status().message();
  return ops_of(graph->main) + " -> " + ir::to_string(graph->main.outputs[0]->shape);
}

TEST(Einsum, IsAMatMulWhereItIsOne) {
  EXPECT_EQ(lowered("ij,jk->ik", {{2, 3}, {3, 4}}), "MatMul -> [2, 4]");
  EXPECT_EQ(lowered("bij, bkj", {{"b", 2, 3}, {"b", 4, 3}}),
            "Transpose Reshape Transpose Reshape MatMul -> [2, 4]");
  EXPECT_EQ(lowered("bhqd,bhkd->bhqk", {{"b", 2, "q", 8}, {"b", 2, "k", 8}}),
            "MatMul -> [b, 2, q, k]");
  EXPECT_EQ(lowered("bhqk,bhkd->bqhd", {{"b", 2, "q", "k"}, {"b", 2, "k", 8}}),
            "MatMul Transpose -> [b, q, 2, 8]");
  EXPECT_EQ(lowered("i,i", {{5}, {5}}), "Reshape Reshape MatMul Reshape -> []");
}

TEST(Einsum, SumsTransposesAndMultiplies) {
  EXPECT_EQ(lowered("ij->ji", {{2, 3}}), "Transpose -> [3, 2]");
  EXPECT_EQ(lowered("ij->i", {{2, 3}}), "ReduceSum -> [2]");
  EXPECT_EQ(lowered("ij,ij->ij", {{2, 3}, {2, 3}}), "Mul -> [2, 3]");
  EXPECT_EQ(lowered("i,j->ij", {{2}, {3}}), "Reshape Mul -> [2, 3]");
}

TEST(Einsum, EllipsisAndDiagonals) {
  EXPECT_EQ(lowered("...ij->...ji", {{4, 5, 2, 3}}), "Transpose -> [4, 5, 3, 2]");
  EXPECT_EQ(lowered("...ii->...i", {{4, 3, 3}}), "Transpose Reshape Slice -> [4, 3]");
  EXPECT_EQ(lowered("...i,...i->...i", {{4, 3}, {1, 3}}), "Reshape Mul -> [4, 3]");
}

TEST(Einsum, EquationsThatDoNotFitAreErrors) {
  EXPECT_THAT(lowered("ij,jk->ik", {{2, 3}}), HasSubstr("2 operands, the node 1"));
  EXPECT_THAT(lowered("ij->i", {{2, 3, 4}}), HasSubstr("2 letters, the tensor rank 3"));
  EXPECT_THAT(lowered("ij->k", {{2, 3}}), HasSubstr("'k', which no operand has"));
  EXPECT_THAT(lowered("ij->ii", {{2, 3}}), HasSubstr("'i' twice"));
  EXPECT_THAT(lowered("i1->i", {{2, 3}}), HasSubstr("letters or one '...'"));
  EXPECT_THAT(lowered("ij,jk->ik", {{2, 3}, {4, 5}}), HasSubstr("extent 4 and elsewhere 3"));
}

TEST(Einsum, ParsesImplicitOutputs) {
  Result<EinsumEquation> equation = parse_einsum("b...A, A c", {4, 2});
  ASSERT_TRUE(equation.is_ok()) << equation.status().message();
  EXPECT_EQ(equation->output, (Labels{-2, -1, 'b', 'c'}));
}

}  // namespace
}  // namespace penstock::importer
