// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/dim_table.h"

#include <gtest/gtest.h>

namespace penstock::plan {
namespace {

using ir::Dim;

TEST(DimTable, AgreesWithTheExpression) {
  const Dim b = Dim::symbol("batch");
  const Dim s = Dim::symbol("seq");
  const std::vector<Dim> dims = {7,
                                 b,
                                 b * 12 * s + 3,
                                 Dim::floor_div(s + 1, 2),
                                 Dim::mod(b * 7 + 5, 4),
                                 Dim::min(s, Dim(100)),
                                 Dim::max(b, s - 10),
                                 Dim::floor_div(Dim(0) - s, 3) + s};
  DimTable table;
  std::vector<int> compiled;
  for (const Dim& d : dims) compiled.push_back(table.add(d));
  const int batch = table.symbol("batch");
  const int seq = table.symbol("seq");
  for (int64_t x : {1, 2, 8, 33}) {
    for (int64_t y : {10, 17, 128, 500}) {
      std::vector<int64_t> values(table.symbol_count());
      values[batch] = x;
      values[seq] = y;
      for (size_t i = 0; i < dims.size(); ++i) {
        const int64_t expected =
            dims[i].evaluate([&](std::string_view name) { return name == "batch" ? x : y; });
        EXPECT_EQ(table.evaluate(compiled[i], values), expected) << dims[i].to_string();
      }
    }
  }
}

TEST(DimTable, WhatDoesNotBroadcastHasNoExtent) {
  DimTable table;
  const int both = table.add(Dim::broadcast(Dim::symbol("n"), Dim::symbol("m")));
  const auto extent = [&](int64_t n, int64_t m) {
    std::vector<int64_t> values(table.symbol_count());
    values[table.symbol("n")] = n;
    values[table.symbol("m")] = m;
    return table.evaluate(both, values);
  };
  EXPECT_EQ(extent(5, 5), 5);
  EXPECT_EQ(extent(1, 5), 5);
  EXPECT_EQ(extent(5, 1), 5);
  EXPECT_EQ(extent(1, 0), 0);
  EXPECT_EQ(extent(5, 3), DimTable::kUnknown);
  EXPECT_EQ(extent(0, 3), DimTable::kUnknown);
}

TEST(DimTable, TheBordersOfInt64) {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  DimTable table;
  const Dim n = Dim::symbol("n"), m = Dim::symbol("m");
  const int quotient = table.add(Dim::floor_div(n, m));
  const int rest = table.add(Dim::mod(n, m));
  std::vector<int64_t> values(table.symbol_count(), 0);
  values[table.symbol("n")] = kLowest;
  values[table.symbol("m")] = -1;
  // -1 stands for what is not known.
  EXPECT_EQ(table.evaluate(quotient, values), DimTable::kUnknown);
  values[table.symbol("m")] = 0;
  EXPECT_EQ(table.evaluate(quotient, values), 0);
  EXPECT_EQ(table.evaluate(rest, values), 0);
}

TEST(DimTable, UnknownSymbolsMakeUnknownExtents) {
  DimTable table;
  const int dim = table.add(Dim::symbol("u0") * 4);
  const int constant = table.add(5);
  const std::vector<int64_t> symbols(table.symbol_count(), DimTable::kUnknown);
  EXPECT_EQ(table.evaluate(dim, symbols), DimTable::kUnknown);
  EXPECT_EQ(table.evaluate(constant, symbols), 5);
  EXPECT_EQ(table.bare_symbol(table.add(Dim::symbol("u0"))), table.symbol("u0"));
  EXPECT_EQ(table.bare_symbol(dim), -1);
}

}  // namespace
}  // namespace penstock::plan
