// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/cost.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "ir/storage.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Operand;

constexpr double kPerElement = 1;
constexpr double kPerNormalised = 5;  // a norm or softmax: sum, square or exponential, scale, shift

double elements(const Operand& operand) {
  return operand.present ? static_cast<double>(element_count(operand.shape)) : 0;
}

double product_from(const Shape& shape, size_t first) {
  double product = 1;
  for (size_t i = first; i < shape.size(); ++i) product *= static_cast<double>(shape[i]);
  return product;
}

double extent(const Operand& operand, size_t from_end) {
  const size_t rank = operand.shape.size();
  return rank < from_end ? 1 : static_cast<double>(operand.shape[rank - from_end]);
}

// w is [channels out, channels in / group, window...]: all but the first are summed over.
double convolution(const NodeFacts& node) {
  return 2 * elements(node.outputs[0]) * product_from(node.inputs[1].shape, 1);
}

// w is [channels in, channels out / group, window...]: each element of x goes to as many.
double transposed_convolution(const NodeFacts& node) {
  return 2 * elements(node.inputs[0]) * product_from(node.inputs[1].shape, 1);
}

double product(const NodeFacts& node) {
  return 2 * elements(node.outputs[0]) *
         extent(node.inputs[0], node.attributes.get_int("trans_a") != 0 ? 2 : 1);
}

double attention(const NodeFacts& node) {
  const Operand& q = node.inputs[0];
  const bool packed = node.attributes.get_string("layout", "bhsd") == "bshd";
  const double heads =
      packed ? static_cast<double>(node.attributes.get_int("heads", 1)) : extent(q, 3);
  const double size =
      packed ? static_cast<double>(node.attributes.get_int("head_size", 1)) : extent(q, 1);
  const double value_size = packed ? static_cast<double>(node.attributes.get_int("value_size", 1))
                                   : extent(node.inputs[2], 1);
  const double batch = q.shape.empty() ? 1 : static_cast<double>(q.shape[0]);
  const double scores = batch * heads * extent(q, 2) * extent(node.inputs[1], 2);
  const double seen = node.attributes.get_int("causal") != 0 ? 0.5 : 1;
  return seen * scores * (2 * (size + value_size) + kPerNormalised);
}

// x is [sequence, batch, size]; both weight matrices are read at each step of each row.
double recurrent(const NodeFacts& node) {
  return 2 * extent(node.inputs[0], 3) * extent(node.inputs[0], 2) *
         (elements(node.inputs[1]) + elements(node.inputs[2]));
}

double pool(const NodeFacts& node) {
  const std::vector<int64_t> window = node.attributes.get_ints("kernel_shape");
  return elements(node.outputs[0]) *
         static_cast<double>(
             std::accumulate(window.begin(), window.end(), int64_t{1}, std::multiplies<>()));
}

double expression(const NodeFacts& node) {
  const std::string program = node.attributes.get_string("program");
  const auto calls = static_cast<double>(std::count(program.begin(), program.end(), '('));
  return elements(node.outputs[0]) * std::max(1.0, calls);
}

using Rule = double (*)(const NodeFacts&);

const std::map<std::string_view, Rule>& products() {
  static const std::map<std::string_view, Rule> kRules = {
      {"QuantizedConv", convolution},
      {"QuantizedMatMul", product},
      {"Conv", convolution},
      {"ConvInteger", convolution},
      {"ConvTranspose", transposed_convolution},
      {"MatMul", product},
      {"MatMulInteger", product},
      {"Attention", attention},
      {"LSTM", recurrent},
      {"GRU", recurrent},
      {"RNN", recurrent},
  };
  return kRules;
}

double other_operations(const NodeFacts& node) {
  if (node.op == "MaxPool" || node.op == "AveragePool" || node.op == "LpPool") return pool(node);
  if (node.op == "Pointwise") return expression(node);
  const double in = node.inputs.empty() ? 0 : elements(node.inputs[0]);
  const double out = node.outputs.empty() ? 0 : elements(node.outputs[0]);
  const bool normalises = node.op.find("Normalization") != std::string::npos ||
                          node.op.find("oftmax") != std::string::npos;
  return std::max(in, out) * (normalises ? kPerNormalised : kPerElement);
}

double bytes_of(const Operand& operand) {
  if (!operand.present) return 0;
  if (!operand.format.empty()) return static_cast<double>(operand.bytes);
  return static_cast<double>(ir::storage_bytes(operand.dtype, operand.shape, operand.layout));
}

bool picks_elements(const std::string& op) {
  return op == "Gather" || op == "GatherElements" || op == "GatherND" || op == "Slice";
}

}  // namespace

Cost cost_of(const NodeFacts& node) {
  Cost cost;
  double written = 0;
  for (const Operand& output : node.outputs) written += bytes_of(output);
  cost.bytes = written;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const double read = bytes_of(node.inputs[i]);
    cost.bytes += i == 0 && picks_elements(node.op) ? std::min(read, written) : read;
  }
  const auto rule = products().find(node.op);
  cost.is_product = rule != products().end();
  cost.operations = cost.is_product           ? rule->second(node)
                    : picks_elements(node.op) ? 0
                                              : other_operations(node);
  return cost;
}

}  // namespace penstock::ops
