// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/precision_choice.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "ir/parse.h"

namespace penstock::compiler {
namespace {

using Times = std::map<std::string, PrecisionTimes, std::less<>>;

// Names of what the nodes in 16 bits give.
std::set<std::string> chosen(std::string_view text, const Times& times, double cast) {
  Result<ir::Graph> graph = ir::parse_text(text);
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  PrecisionPrices prices;
  prices.node = [&](const ir::Node& node) {
    const auto known = times.find(node.op);
    return known == times.end() ? PrecisionTimes{} : known->second;
  };
  prices.cast = [&](const ir::Value&, bool) { return cast; };
  const ChosenNodes nodes = choose_sixteen_bits(*graph, prices);
  std::set<std::string> names;
  for (const ir::Node* node : nodes) names.insert(node->outputs[0]->name);
  return names;
}

using Names = std::set<std::string>;

constexpr std::string_view kChain = R"ir(
graph g(%x : float32[n, 2]) {
  %a : float32[n, 2] = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %b : float32[n, 2] = Relu(%a)
  %c : float32[n, 2] = MatMul(%b, const float32[2, 2][1, 2, 3, 4])
  return %c
}
)ir";

TEST(PrecisionChoice, CastsAreWorthTheirPriceForFastProducts) {
  const Times times = {{"MatMul", {1000.0, 200.0}}, {"Relu", {10.0, 10.0}}};
  EXPECT_EQ(chosen(kChain, times, 20), (Names{"a", "b", "c"}));
}

TEST(PrecisionChoice, ALoneIslandStaysInFloat32) {
  const Times times = {{"MatMul", {100.0, 50.0}}, {"Relu", {10.0, 10.0}}};
  EXPECT_EQ(chosen(kChain, times, 100), Names{});
}

TEST(PrecisionChoice, WhatHasNoKernelStaysBetweenCasts) {
  const Times times = {{"MatMul", {1000.0, 200.0}}};
  EXPECT_EQ(chosen(kChain, times, 20), (Names{"a", "c"}));
}

// The result of a product may be float32, and operands of expressions be of either type.
TEST(PrecisionChoice, ProductsStoreWhatTheirReadersWant) {
  const Times times = {{"MatMul", {100.0, 70.0}}, {"Pointwise", {10.0, 10.0}}};
  constexpr std::string_view kAlone = R"ir(
graph g(%x : float32[n, 2]) {
  %a : float32[n, 2] = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %b : float32[n, 2] = Pointwise(%a, %x) {program = "add(i0,i1)"}
  return %b
}
)ir";
  EXPECT_EQ(chosen(kAlone, times, 10).count("a"), 1u);  // one cast of 22 us, not two
  EXPECT_EQ(chosen(kAlone, times, 20).count("a"), 0u);
}

// One cast serves both readers, which alone would not pay for it.
TEST(PrecisionChoice, ReadersShareACast) {
  const Times times = {{"MatMul", {100.0, 50.0}}, {"Shape", {}}};
  constexpr std::string_view kReaders = R"ir(
graph g(%x : float32[n, 2]) {
  %a : float32[n, 2] = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %b : float32[n, 2] = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %c : float32[n, 2] = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %d : float32[n, 2] = MatMul(%a, %b)
  %e : float32[n, 2] = MatMul(%d, %c)
  return %e
}
)ir";
  EXPECT_EQ(chosen(kReaders, times, 50), (Names{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(chosen(kReaders, times, 140), Names{});
}

}  // namespace
}  // namespace penstock::compiler
