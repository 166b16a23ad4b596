// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ops/host_run.h"
#include "passes/pass.h"

// What tests of passes share: graphs as text in, text out, and a check that both compute the same.
namespace penstock::passes::test {

using PassFunction = Status (*)(ir::Graph&);
using Extents = std::map<std::string, int64_t, std::less<>>;

// The graph of the text, with all types and shapes inferred. An error fails the test.
ir::Graph parsed(std::string_view text);

// Runs the graph node by node through the reference kernels. `extents` gives the symbols of the
// inputs; those that depend on data are found on the way.
Result<std::vector<ops::HostTensor>> evaluate(ir::Graph& graph, Extents extents,
                                              const std::vector<ops::HostTensor>& inputs);
// Random inputs of the graph's types; integers in [0, 3).
std::vector<ops::HostTensor> random_inputs(const ir::Graph& graph, const Extents& extents);

// The pass makes `expected` of `input`; the elements of constants that fill a line print as "#".
// Both graphs are then evaluated on random inputs, symbols being small numbers, and must agree.
void expect_rewrite(PassFunction pass, std::string_view input, std::string_view expected);
// The pass leaves the graph as it is.
void expect_unchanged(PassFunction pass, std::string_view input);

}  // namespace penstock::passes::test
