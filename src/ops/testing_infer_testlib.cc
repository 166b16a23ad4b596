// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/testing.h"

namespace penstock::ops::test {

std::vector<ir::Dim> dims(std::string_view text) {
  std::vector<ir::Dim> result;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) {
      depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
      if (text[i] != ',' || depth > 0) continue;
    }
    const std::string_view item = text.substr(begin, i - begin);
    begin = i + 1;
    if (item.find_first_not_of(' ') == std::string_view::npos) continue;
    auto dim = ir::Dim::parse(item);
    EXPECT_TRUE(dim.is_ok()) << dim.status().message();
    result.push_back(dim.is_ok() ? *dim : ir::Dim());
  }
  return result;
}

Fact fact(DataType dtype, std::string_view shape) {
  return {dtype, dims(shape), std::nullopt, nullptr};
}

Fact constant_fact(const HostTensor& tensor) {
  Fact result{tensor.dtype, {tensor.shape.begin(), tensor.shape.end()}, std::nullopt, nullptr};
  result.constant = ir::make_constant(tensor.dtype, tensor.shape, tensor.data());
  return result;
}

Fact contents_fact(std::string_view extents) {
  std::vector<ir::Dim> contents = dims(extents);
  const auto count = static_cast<int64_t>(contents.size());
  return {DataType::kInt64, {count}, std::move(contents), nullptr};
}

std::string Inferred::shape(size_t i) const { return ir::to_string(outputs[i].shape); }

std::string Inferred::contents(size_t i) const {
  return outputs[i].contents ? ir::to_string(*outputs[i].contents) : "unknown";
}

Inferred infer(const std::string& op, const ir::Attributes& attributes,
               const std::vector<Fact>& inputs, size_t outputs) {
  ir::Graph graph;
  ir::Node node;
  node.op = op;
  node.name = "test";
  node.attributes = attributes;
  for (const Fact& input : inputs) {
    ir::Value* value = nullptr;
    if (input.constant) {
      value = graph.add_constant("", input.constant);
    } else if (input.dtype != DataType::kUndefined) {
      value = graph.add_value("", input.dtype, input.shape);
      value->contents = input.contents;
    }
    node.inputs.push_back(value);
  }
  for (size_t i = 0; i < outputs; ++i) {
    node.outputs.push_back(graph.add_value("", DataType::kUndefined, {}));
  }
  Inferred result;
  result.status = infer_node(graph, node);
  for (const ir::Value* output : node.outputs) {
    result.outputs.push_back(
        {output->dtype, output->shape, output->contents, nullptr, output->element});
  }
  return result;
}

}  // namespace penstock::ops::test
