// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/precision_choice.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "passes/precision.h"
#include "tune/minimum_cut.h"

namespace penstock::compiler {
namespace {

using backends::NodeFacts;
using ir::Node;
using ir::Value;
using tune::MinimumCut;

// Casts are timed with their tensors in the cache and two measurements of a kernel differ: without
// a price above their time, precisions would change back and forth on noise.
constexpr double kCastFactor = 2;
constexpr double kCastMicroseconds = 2;

int64_t nanoseconds(double microseconds) {
  return static_cast<int64_t>(std::max(0.0, microseconds) * 1000);
}

bool is_cast(const Value* value) {
  return value != nullptr && value->dtype == DataType::kFloat32 && !value->is_constant();
}

// A vertex for each node, one that stands on the first side for what is float32 anyhow, and two for
// each value: they stand for its casts, so that several readers pay for one.
class Choice {
 public:
  Choice(const ir::Graph& graph, const PrecisionPrices& prices) : prices_(prices) {
    whole_ = cut_.add_vertex(0, MinimumCut::kForbidden);
    for (const Node& node : graph.main.nodes) add_node(node);
    for (const Node& node : graph.main.nodes) add_reads(node);
    for (const Value* output : graph.main.outputs) {
      if (is_cast(output)) read(*output, whole_);
    }
  }

  ChosenNodes solve(const ir::Graph& graph) {
    const std::vector<bool> chosen = cut_.solve();
    ChosenNodes nodes;
    for (const Node& node : graph.main.nodes) {
      if (chosen[vertices_.at(&node)]) nodes.insert(&node);
    }
    return nodes;
  }

 private:
  struct Casts {
    size_t to_sixteen_bits;
    size_t to_float32;
  };

  void add_node(const Node& node) {
    const PrecisionTimes times = prices_.node(node);
    // What has no fast kernel in either is left as it is.
    const bool may_move = times.in_sixteen_bits.has_value();
    const int64_t first = may_move && !times.in_float32 ? MinimumCut::kForbidden
                                                        : nanoseconds(times.in_float32.value_or(0));
    const size_t vertex = cut_.add_vertex(
        first, may_move ? nanoseconds(*times.in_sixteen_bits) : MinimumCut::kForbidden);
    vertices_[&node] = vertex;
    size_t writer = vertex;
    if (passes::stores_any_float(node.op)) {
      writer = cut_.add_vertex(0, 0);
      cut_.add_price(vertex, writer, MinimumCut::kForbidden);  // 16 bits of a node in float32
    }
    for (const Value* output : node.outputs) producers_[output] = writer;
  }

  void add_reads(const Node& node) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!is_cast(node.inputs[i])) continue;
      read(*node.inputs[i], vertices_.at(&node), passes::reads_any_float(node.op, i));
    }
    // Bodies read what is around them in float32.
    for (const auto& nested : node.regions) {
      ir::for_each_region(*nested, [&](ir::Region& region) {
        for (const Node& inner : region.nodes) {
          for (const Value* input : inner.inputs) read_outside(input);
        }
        for (const Value* output : region.outputs) read_outside(output);
      });
    }
  }

  void read_outside(const Value* value) {
    if (is_cast(value) && producers_.count(value) != 0) read(*value, whole_);
  }

  // In float32 by a reader on the first side, in 16 bits by one on the second, or as it comes.
  void read(const Value& value, size_t reader, bool as_it_comes = false) {
    auto known = casts_.find(&value);
    if (known == casts_.end()) {
      const auto from = producers_.find(&value);
      const size_t writer = from == producers_.end() ? whole_ : from->second;
      const Casts casts = {cut_.add_vertex(0, 0), cut_.add_vertex(0, 0)};
      cut_.add_price(writer, casts.to_sixteen_bits, price(value, true));
      cut_.add_price(casts.to_float32, writer, price(value, false));
      known = casts_.emplace(&value, casts).first;
    }
    if (!as_it_comes) {
      cut_.add_price(known->second.to_sixteen_bits, reader, MinimumCut::kForbidden);
    }
    cut_.add_price(reader, known->second.to_float32, MinimumCut::kForbidden);
  }

  int64_t price(const Value& value, bool to_sixteen_bits) const {
    return nanoseconds(kCastMicroseconds + kCastFactor * prices_.cast(value, to_sixteen_bits));
  }

  const PrecisionPrices& prices_;
  MinimumCut cut_;
  size_t whole_;
  std::unordered_map<const Node*, size_t> vertices_;
  std::unordered_map<const Value*, size_t> producers_;
  std::unordered_map<const Value*, Casts> casts_;
};

// The node as passes::lower_precision leaves it. Constants live as long as `keep`.
NodeFacts lowered_facts(const Node& node, NodeFacts facts, DataType type,
                        std::vector<ir::ConstantRef>& keep) {
  for (size_t i = 0; i < facts.inputs.size(); ++i) {
    backends::Operand& operand = facts.inputs[i];
    if (!operand.present || operand.dtype != DataType::kFloat32) continue;
    const bool is_operand = node.op != "QuantizeLinear" && passes::reads_any_float(node.op, i);
    if (!is_operand && !passes::reads_sixteen_bits(node.op, i)) continue;
    operand.dtype = type;
    if (operand.data == nullptr) continue;
    keep.push_back(passes::to_sixteen_bits(*node.inputs[i]->constant, type));
    operand.data = keep.back()->data;
    operand.bytes = keep.back()->bytes;
  }
  if (facts.outputs[0].dtype == DataType::kFloat32 && passes::tells_output_type(node)) {
    facts.attributes.set("output_dtype", static_cast<int64_t>(type));
  }
  for (backends::Operand& operand : facts.outputs) {
    if (operand.dtype == DataType::kFloat32) operand.dtype = type;
  }
  return facts;
}

bool has_float32(const Node& node) {
  const auto is_float = [](const Value* value) {
    return value != nullptr && value->dtype == DataType::kFloat32;
  };
  return std::any_of(node.inputs.begin(), node.inputs.end(), is_float) ||
         std::any_of(node.outputs.begin(), node.outputs.end(), is_float);
}

// Times of one tuner.
class Measured {
 public:
  Measured(tune::Tuner& tuner, DataType type) : tuner_(tuner), type_(type) {}

  PrecisionTimes node(const Node& node) {
    if (!node.regions.empty() || !has_float32(node) || tune::depends_on_data(node) ||
        !passes::keeps_accuracy_in_16_bits(node.op)) {
      return {};
    }
    if (tune::is_view(node)) return {0.0, 0.0};
    const NodeFacts facts = facts_of(node);
    std::vector<ir::ConstantRef> keep;
    const auto narrow = tuner_.fastest(node, lowered_facts(node, facts, type_, keep));
    if (!narrow) return {};
    return {tuner_.fastest(node, facts), narrow};
  }

  double cast(const Value& value, bool to_sixteen_bits) {
    Node node;
    node.op = "Cast";
    node.name = value.name;
    auto* operand = const_cast<Value*>(&value);
    node.inputs = {operand};
    node.outputs = {operand};
    const DataType to = to_sixteen_bits ? type_ : DataType::kFloat32;
    node.attributes.set("to", static_cast<int64_t>(to));
    if (ir::is_data_dependent(value.shape)) return 0;
    NodeFacts facts = facts_of(node);
    // Casts of as many elements take the same time.
    const Shape shape = {element_count(facts.inputs[0].shape)};
    facts.inputs[0].shape = facts.outputs[0].shape = shape;
    (to_sixteen_bits ? facts.outputs : facts.inputs)[0].dtype = type_;
    auto& known = casts_[{shape[0], to_sixteen_bits}];
    if (!known) known = tuner_.fastest(node, facts).value_or(0);
    return *known;
  }

 private:
  NodeFacts facts_of(const Node& node) const {
    return tune::make_facts(node, tuner_.options().symbols, tuner_.options().threads);
  }

  tune::Tuner& tuner_;
  DataType type_;
  std::map<std::pair<int64_t, bool>, std::optional<double>> casts_;
};

PrecisionTimes operator+(const PrecisionTimes& a, const PrecisionTimes& b) {
  const auto sum = [](std::optional<double> x, std::optional<double> y) {
    return x && y ? std::optional(*x + *y) : std::nullopt;
  };
  return {sum(a.in_float32, b.in_float32), sum(a.in_sixteen_bits, b.in_sixteen_bits)};
}

}  // namespace

ChosenNodes choose_sixteen_bits(const ir::Graph& graph, const PrecisionPrices& prices) {
  return Choice(graph, prices).solve(graph);
}

ChosenNodes choose_sixteen_bits(const ir::Graph& graph, DataType type,
                                const std::vector<tune::Tuner*>& profiles) {
  std::vector<Measured> measured;
  for (tune::Tuner* tuner : profiles) measured.emplace_back(*tuner, type);
  PrecisionPrices prices;
  const tune::TuneOptions& options = profiles.front()->options();
  size_t done = 0;
  prices.node = [&](const Node& node) -> PrecisionTimes {
    if (options.cancelled && options.cancelled()) return {};
    if (options.progress) {
      options.progress(static_cast<double>(done++) / static_cast<double>(graph.main.nodes.size()));
    }
    PrecisionTimes times{0.0, 0.0};
    for (Measured& profile : measured) times = times + profile.node(node);
    return times;
  };
  prices.cast = [&](const Value& value, bool to_sixteen_bits) {
    double sum = 0;
    for (Measured& profile : measured) sum += profile.cast(value, to_sixteen_bits);
    return sum;
  };
  return choose_sixteen_bits(graph, prices);
}

}  // namespace penstock::compiler
