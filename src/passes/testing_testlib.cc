// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <regex>
#include <set>

#include "ir/parse.h"
#include "ops/op_definition.h"
#include "ops/testing.h"
#include "passes/testing.h"

namespace penstock::passes::test {
namespace {

using ops::HostTensor;

class Evaluator {
 public:
  explicit Evaluator(Extents extents) : extents_(std::move(extents)) {}

  void bind(const ir::Value* value, HostTensor tensor) {
    for (size_t i = 0; i < value->shape.size() && i < tensor.shape.size(); ++i) {
      const std::string_view symbol = value->shape[i].symbol_name();
      if (!symbol.empty()) extents_.emplace(symbol, tensor.shape[i]);
    }
    tensors_[value] = std::move(tensor);
  }

  Status run(ir::Region& region) {
    for (ir::Node& node : region.nodes) {
      PENSTOCK_RETURN_IF_ERROR(
          run(node).with_context("node '" + node.name + "' (" + node.op + ")"));
    }
    return Status::ok();
  }

  HostTensor get(const ir::Value* value) const {
    if (value->is_constant()) return {value->dtype, value->constant->shape, value->constant};
    return tensors_.at(value);
  }

 private:
  Status run(ir::Node& node) {
    std::vector<HostTensor> tensors;
    for (const ir::Value* input : node.inputs) {
      tensors.push_back(input == nullptr ? HostTensor{} : get(input));
    }
    if (node.op == "If") return run_if(node, tensors.at(0));
    std::vector<const HostTensor*> inputs;
    for (size_t i = 0; i < tensors.size(); ++i) {
      inputs.push_back(node.inputs[i] == nullptr ? nullptr : &tensors[i]);
    }
    std::vector<DataType> types;
    for (const ir::Value* output : node.outputs) {
      types.push_back(output == nullptr ? DataType::kUndefined : output->dtype);
    }
    const ir::Attributes attributes = node.attributes.resolved([&](std::string_view symbol) {
      const auto it = extents_.find(symbol);
      return it == extents_.end() ? int64_t{-1000000} : it->second;
    });
    PENSTOCK_ASSIGN_OR_RETURN(std::vector<HostTensor> results,
                              ops::run_reference(node.op, attributes, inputs, types));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != nullptr) bind(node.outputs[i], std::move(results[i]));
    }
    return Status::ok();
  }

  Status run_if(ir::Node& node, const HostTensor& condition) {
    ir::Region& body = *node.regions[*static_cast<const bool*>(condition.data()) ? 0 : 1];
    PENSTOCK_RETURN_IF_ERROR(run(body));
    for (size_t i = 0; i < node.outputs.size(); ++i) bind(node.outputs[i], get(body.outputs[i]));
    return Status::ok();
  }

  Extents extents_;
  std::map<const ir::Value*, HostTensor> tensors_;
};

std::string normalized(std::string_view text) {
  static const std::regex kHash("#[0-9a-f]{16}");
  static const std::regex kLongList(R"((const [a-z0-9]+\[[0-9, ]*\])\[[^\]]{40,}\])");
  std::string result = std::regex_replace(std::string(text), kHash, "#");
  result = std::regex_replace(result, kLongList, "$1#");
  const size_t begin = result.find_first_not_of('\n');
  return begin == std::string::npos ? result : result.substr(begin);
}

Extents small_extents(const ir::Graph& graph) {
  std::vector<std::string> symbols;
  for (const ir::Value* input : graph.main.inputs) {
    for (const ir::Dim& extent : input->shape) extent.collect_symbols(symbols);
  }
  Extents extents;
  int64_t next = 2;
  for (const std::string& symbol : symbols) extents[symbol] = next++;
  return extents;
}

void expect_same_results(ir::Graph& before, ir::Graph& after) {
  const Extents extents = small_extents(before);
  const std::vector<HostTensor> inputs = random_inputs(before, extents);
  Result<std::vector<HostTensor>> expected = evaluate(before, extents, inputs);
  Result<std::vector<HostTensor>> actual = evaluate(after, extents, inputs);
  ASSERT_TRUE(expected.is_ok()) << "before: " << expected.status().message();
  ASSERT_TRUE(actual.is_ok()) << "after: " << actual.status().message();
  ASSERT_EQ(actual->size(), expected->size());
  for (size_t i = 0; i < expected->size(); ++i) {
    EXPECT_TRUE(ops::test::matches((*actual)[i], (*expected)[i],
                                   ops::test::tolerance((*expected)[i].dtype, 256)))
        << "output " << i;
  }
}

}  // namespace

ir::Graph parsed(std::string_view text) {
  Result<ir::Graph> graph = ir::parse_text(text);
  EXPECT_TRUE(graph.is_ok()) << graph.status().message();
  if (!graph.is_ok()) return {};
  const Status inferred = ops::infer_graph(*graph);
  EXPECT_TRUE(inferred.is_ok()) << inferred.message();
  const Status valid = ir::verify(*graph);
  EXPECT_TRUE(valid.is_ok()) << valid.message();
  return std::move(*graph);
}

Result<std::vector<HostTensor>> evaluate(ir::Graph& graph, Extents extents,
                                         const std::vector<HostTensor>& inputs) {
  Evaluator evaluator(std::move(extents));
  for (size_t i = 0; i < inputs.size(); ++i) evaluator.bind(graph.main.inputs[i], inputs[i]);
  PENSTOCK_RETURN_IF_ERROR(evaluator.run(graph.main));
  std::vector<HostTensor> outputs;
  for (const ir::Value* output : graph.main.outputs) outputs.push_back(evaluator.get(output));
  return outputs;
}

std::vector<HostTensor> random_inputs(const ir::Graph& graph, const Extents& extents) {
  std::vector<HostTensor> inputs;
  for (const ir::Value* input : graph.main.inputs) {
    Shape shape;
    for (const ir::Dim& extent : input->shape) {
      shape.push_back(
          extent.evaluate([&](std::string_view name) { return extents.at(std::string(name)); }));
    }
    const bool is_real = is_floating(input->dtype);
    inputs.push_back(ops::test::random_tensor(input->dtype, shape,
                                              static_cast<uint32_t>(inputs.size() + 1),
                                              is_real ? -1 : 0, is_real ? 1 : 2));
  }
  return inputs;
}

void expect_rewrite(PassFunction pass, std::string_view input, std::string_view expected) {
  ir::Graph before = parsed(input);
  ir::Graph after = parsed(input);
  if (::testing::Test::HasFatalFailure()) return;
  const Status done = pass(after);
  ASSERT_TRUE(done.is_ok()) << done.message();
  const Status valid = ir::verify(after);
  ASSERT_TRUE(valid.is_ok()) << valid.message() << "\n" << ir::to_text(after);
  EXPECT_EQ(normalized(ir::to_text(after)), normalized(expected));
  // The shapes that the pass left must be those that inference finds.
  const std::string text = ir::to_text(after);
  const Status inferred = ops::infer_graph(after);
  EXPECT_TRUE(inferred.is_ok()) << inferred.message();
  EXPECT_EQ(ir::to_text(after), text) << "inference disagrees with the pass";
  expect_same_results(before, after);
}

void expect_unchanged(PassFunction pass, std::string_view input) {
  ir::Graph graph = parsed(input);
  expect_rewrite(pass, input, ir::to_text(graph));
}

}  // namespace penstock::passes::test
