// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/parse.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace penstock::ir {
namespace {

void expect_round_trip(const std::string& text) {
  Result<Graph> graph = parse_text(text);
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_TRUE(verify(*graph).is_ok()) << verify(*graph).message();
  EXPECT_EQ(to_text(*graph), text);
}

std::string parse_error(std::string_view text) {
  Result<Graph> graph = parse_text(text);
  return graph.is_ok() ? "no error" : graph.status().message();
}

TEST(ParseText, RoundTripsNodesAndSymbolicShapes) {
  expect_round_trip(R"(graph main(%x : float32[batch, 3, 2*h + 1], %n : int64[]) {
  %y : float32[batch, 3, 2*h + 1] = Relu(%x)
  %a : float32[batch], %b : float32[floordiv(h, 2)] = Two(%y, _, %n)
  _, %c : bool[0] = Three()
  return %a, %b, %c
}
)");
}

TEST(ParseText, RoundTripsEveryKindOfAttribute) {
  expect_round_trip(R"(graph main(%x : float32[2]) {
  %y : float32[2] = Op(%x) {a = 3, b = -0.5f, c = "same \"as\" \\ it", d = [1, -2], e = [0.5f, 1f], f = ["p", "q"], g = {batch, 2*min(a, b) + 3}, h = inff, i = 1e-05f, j = []}
  return %y
}
)");
}

TEST(ParseText, RoundTripsSmallConstants) {
  expect_round_trip(R"(graph main() {
  %y : float32[2] = Op(const float32[2][1, -0.25], const int64[2, 1][1, -3], const bool[][1], const float16[1][0.5], const float64[1][0.1], const uint8[1][200], const float32[1][-inf], const float32[0][])
  return %y, const int32[][7]
}
)");
}

TEST(ParseText, RoundTripsRegions) {
  expect_round_trip(R"(graph main(%c : bool[], %x : float32[2]) {
  %y : float32[2] = If(%c) {axis = 1}
    region() {
      %t : float32[2] = Neg(%x)
      return %t
    }
    region(%i : int64[]) {
      return %x
    }
  return %y
}
)");
}

TEST(ParseText, QuotesNamesThatNeedIt) {
  expect_round_trip(
      "graph \"my model\"(%\"in put\" : float32[2], %/a/b.c:0 : float32[2]) {\n"
      "  return %\"in put\", %/a/b.c:0\n}\n");
}

TEST(ParseText, TypesOfNodeOutputsMayBeMissing) {
  Result<Graph> graph = parse_text("graph g(%x : float32[2]) { %y = Relu(%x) return %y }");
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(graph->main.nodes.front().name, "y");
  EXPECT_EQ(graph->find_value("y")->dtype, DataType::kUndefined);
  EXPECT_FALSE(verify(*graph).is_ok());
}

TEST(ParseText, LargeConstantsAreReproducibleFromTheirHash) {
  const std::string text =
      "graph g() { %y : float32[1] = Op(const float32[64, 3]#00000000000000ab, "
      "const int64[40]#00000000000000ab, const float32[64, 3]random, const float32[64, 3]random) "
      "return %y }";
  Result<Graph> first = parse_text(text);
  Result<Graph> second = parse_text(text);
  ASSERT_TRUE(first.is_ok()) << first.status().message();
  const std::vector<Value*>& inputs = first->main.nodes.front().inputs;
  EXPECT_EQ(to_floats(*inputs[0]->constant),
            to_floats(*second->main.nodes.front().input(0)->constant));
  EXPECT_NE(to_floats(*inputs[2]->constant), to_floats(*inputs[3]->constant));
  for (float x : to_floats(*inputs[0]->constant)) {
    EXPECT_GE(x, -1.0f);
    EXPECT_LT(x, 1.0f);
  }
  for (int64_t x : to_int64s(*inputs[1]->constant)) {
    EXPECT_GE(x, 0);
    EXPECT_LT(x, 8);
  }
}

TEST(ParseText, SequencesOptionalsAndStringsAsTheyPrint) {
  const std::string text =
      R"(graph main(%s : sequence<float32[2, -1]>, %o : optional<sequence<int64[*]>>, %e : sequence<string>) {
  %y : string[2] = Op(%s, %o, const string[2]["a", "say \"b\""])
  return %y, %e
}
)";
  Result<Graph> graph = parse_text(text);
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(to_text(*graph), text);
  EXPECT_TRUE(verify(*graph).is_ok());
  const Value& optional = *graph->find_value("o");
  EXPECT_EQ(optional.dtype, DataType::kOptional);
  EXPECT_TRUE(optional.element->is_sequence);
  EXPECT_EQ(optional.element->rank, ElementType::Rank::kUnknown);
  EXPECT_EQ(graph->find_value("e")->element->rank, ElementType::Rank::kUnset);
}

TEST(ElementType, JoinsWhatDiffers) {
  using Rank = ElementType::Rank;
  const ElementType none{DataType::kFloat32, false, Rank::kUnset, {}};
  const ElementType two = element_of(DataType::kFloat32, {2, Dim::symbol("n"), Dim::symbol("u7")});
  EXPECT_EQ(to_string(two), "float32[2, n, -1]");
  EXPECT_EQ(join(none, two), two);
  const ElementType other = element_of(DataType::kFloat32, {3, Dim::symbol("n"), 4});
  EXPECT_EQ(to_string(join(two, other)), "float32[-1, n, -1]");
  EXPECT_EQ(to_string(join(two, element_of(DataType::kFloat32, {2}))), "float32[*]");
}

TEST(ParseText, ErrorsNameLineAndColumn) {
  EXPECT_EQ(parse_error("graph g(%x : float32[2]) {\n  %y = Relu(%z)\n  return %y\n}"),
            "graph text, line 2, column 14: '%z' is not defined");
  EXPECT_EQ(parse_error("graph g(%x : float99[2]) {"),
            "graph text, line 1, column 14: no element type 'float99'");
  EXPECT_EQ(parse_error("graph g(%x : int8[2], %x : int8[2]) {"),
            "graph text, line 1, column 24: '%x' is defined twice");
  EXPECT_EQ(parse_error("graph g(%x : int8[2*]) {"),
            "graph text, line 1, column 19: not an extent: '2*'");
  EXPECT_EQ(parse_error("graph g() { return const int8[2][1] }"),
            "graph text, line 1, column 33: expected 2 elements");
  EXPECT_EQ(parse_error("graph g() { return } }"),
            "graph text, line 1, column 22: text after the end of the graph");
}

TEST(ParseText, RefusesNonsenseWithoutCrashing) {
  const std::string text = R"(graph g(%x : float32[n]) {
  %y : float32[n] = Op(%x, const float32[2][1, 2]) {a = [1f], b = {n, 2}, c = "s"}
    region() {
      return %x
    }
  return %y
})";
  ASSERT_TRUE(parse_text(text).is_ok());
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(parse_text(std::string_view(text).substr(0, length)).is_ok()) << length;
  }
  std::string deep = "graph g() { ";
  for (int i = 0; i < 10000; ++i) deep += "_ = Op() region() { ";
  EXPECT_NE(parse_error(deep).find("too deep"), std::string::npos);
  EXPECT_NE(parse_error("graph g() { return const int8[999999999, 999999999, 999999999]random }")
                .find("2^28"),
            std::string::npos);
}

}  // namespace
}  // namespace penstock::ir
