// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"
#include "tune/tuner.h"

namespace penstock::compiler {

// Microseconds of a node in float32 and in 16 bits; nothing where it has no kernel worth the name.
struct PrecisionTimes {
  std::optional<double> in_float32;
  std::optional<double> in_sixteen_bits;
};

// What the choice is made from.
struct PrecisionPrices {
  std::function<PrecisionTimes(const ir::Node& node)> node;
  // A cast of the value from float32 to 16 bits, or back.
  std::function<double(const ir::Value& value, bool to_sixteen_bits)> cast;
};

using ChosenNodes = std::unordered_set<const ir::Node*>;

// The nodes of the main region to compute in 16 bits so that all nodes and the casts between them
// take the least time: a minimum cut. Inputs and outputs of the graph are float32; each value is
// cast once for all its readers.
ChosenNodes choose_sixteen_bits(const ir::Graph& graph, const PrecisionPrices& prices);

// The same, with times measured by a tuner for each profile.
ChosenNodes choose_sixteen_bits(const ir::Graph& graph, DataType type,
                                const std::vector<tune::Tuner*>& profiles);

}  // namespace penstock::compiler
