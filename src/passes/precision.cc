// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/precision.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/half.h"
#include "ops/elementwise/pointwise_program.h"
#include "ops/quantized_product.h"

namespace penstock::passes {
namespace {

using ir::Graph;
using ir::Node;
using ir::Value;

// Operators whose kernels sum in float32, or that only move elements. Not here, and so in float32:
// what squares or sums without a mean after it (ReduceSumSquare, CumSum), recurrent states, and
// what is computed once for all (Range, resampling grids).
constexpr std::string_view kOperators[] = {
    "Conv",
    "ConvTranspose",
    "MatMul",
    "QuantizedConv",
    "QuantizedMatMul",
    "Attention",
    "LayerNormalization",
    "RMSNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "BatchNormalization",
    "Softmax",
    "LogSoftmax",
    "Pointwise",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Slice",
    "Concat",
    "Split",
    "Pad",
    "Expand",
    "Tile",
    "Copy",
    "Gather",
    "GatherElements",
    "GatherND",
    "DepthToSpace",
    "SpaceToDepth",
    "Resize",
    "Trilu",
};

// Operators between 8 bits and floats, whose results' type is an attribute.
constexpr std::string_view kQuantized[] = {"QuantizedConv", "QuantizedMatMul", "QuantizeLinear",
                                           "DequantizeLinear"};

// Pointwise functions that leave the range of float16 from ordinary operands.
constexpr std::string_view kLarge[] = {"Exp", "Pow", "Reciprocal", "Log"};

bool contains(std::span<const std::string_view> list, std::string_view op) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

// Scales, biases of sums in int32, sizes.
bool stays_float32(std::string_view op, size_t input) {
  if (op == "QuantizedConv" || op == "QuantizedMatMul") return input < ops::kProductOperands;
  return input > 0 && (op == "Resize" || contains(kQuantized, op));
}

float largest_of(DataType target) {
  return target == DataType::kFloat16 ? 65504.0f : 3.3895314e38f;
}

}  // namespace

ir::ConstantRef to_sixteen_bits(const ir::Constant& constant, DataType target) {
  ir::ConstantRef result = ir::make_constant(target, constant.shape, nullptr);
  auto* bits = reinterpret_cast<uint16_t*>(const_cast<std::byte*>(result->data));
  const float most = largest_of(target);
  for (float value : constant.as<float>()) {
    if (std::isfinite(value)) value = std::clamp(value, -most, most);
    *bits++ = target == DataType::kFloat16 ? Half(value).bits : BFloat16(value).bits;
  }
  return result;
}

bool reads_any_float(std::string_view op, size_t input) {
  if (op == "Pointwise") return true;
  if (op == "QuantizeLinear") return input == 0;
  // What an epilogue adds.
  if (op == "Conv" || op == "MatMul") return input > 2;
  return (op == "QuantizedConv" || op == "QuantizedMatMul") && input >= ops::kProductOperands;
}

bool stores_any_float(std::string_view op) {
  constexpr std::string_view kAny[] = {
      "Conv",          "ConvTranspose",   "MatMul",          "Pointwise",
      "QuantizedConv", "QuantizedMatMul", "DequantizeLinear"};
  return contains(kAny, op);
}

bool reads_sixteen_bits(std::string_view op, size_t input) {
  if (stays_float32(op, input) || reads_any_float(op, input)) return false;
  const bool has_bias = op == "Conv" || op == "ConvTranspose" || op == "MatMul";
  const bool is_norm = op == "LayerNormalization" || op == "RMSNormalization";
  return !(has_bias && input == 2) && !(is_norm && (input == 1 || input == 2));
}

bool tells_output_type(const Node& node) {
  if (contains(kQuantized, node.op)) return true;
  return node.op == "Pointwise" &&
         std::none_of(node.inputs.begin(), node.inputs.end(), [](const Value* input) {
           return input != nullptr && is_floating(input->dtype);
         });
}

namespace {

class Lowering {
 public:
  Lowering(Graph& graph, DataType target, const ChooseNode& chosen)
      : graph_(graph), target_(target), chosen_(chosen) {}

  void run() {
    ir::Region& region = graph_.main;
    if (chosen_) find_readers();
    for (auto at = region.nodes.begin(); at != region.nodes.end(); ++at) {
      if (!is_chosen(*at)) {
        restore_inputs(at);
      } else if (chosen_) {
        lower_on_processor(at);
      } else {
        lower(at);
      }
    }
    for (Value*& output : region.outputs) restore_output(output);
  }

 private:
  bool is_chosen(const Node& node) const {
    return node.regions.empty() && keeps_accuracy_in_16_bits(node.op) &&
           (!chosen_ || chosen_(node));
  }

  void find_readers() {
    for (const Node& node : graph_.main.nodes) {
      if (!is_chosen(node)) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (reads_sixteen_bits(node.op, i)) read_in_16_bits_.insert(node.inputs[i]);
      }
    }
  }

  // Casts in front of `where`, once a value.
  Value* cast(ir::NodeIterator where, Value* value, DataType to,
              std::unordered_map<Value*, Value*>& known) {
    if (const auto it = known.find(value); it != known.end()) return it->second;
    Value* result = graph_.add_value(value->name, to, value->shape);
    Node node;
    node.op = "Cast";
    node.name = result->name;
    node.attributes.set("to", static_cast<int64_t>(to));
    node.inputs = {value};
    node.outputs = {result};
    if (value->producer != nullptr) node.origins = value->producer->origins;
    graph_.insert(graph_.main, where, std::move(node));
    return known[value] = result;
  }

  Value* lowered(ir::NodeIterator where, Value* value) {
    if (value == nullptr || value->dtype != DataType::kFloat32) return value;
    if (!value->is_constant()) return cast(where, value, target_, lower_of_);
    Value*& constant = lower_of_[value];
    if (constant == nullptr) {
      constant = graph_.add_constant(value->name, to_sixteen_bits(*value->constant, target_));
    }
    return constant;
  }

  Value* restored(ir::NodeIterator where, Value* value) {
    return value != nullptr && is_lowered(value) ? cast(where, value, DataType::kFloat32, float_of_)
                                                 : value;
  }

  bool is_lowered(const Value* value) const { return lowered_.count(value) != 0; }

  void lower(ir::NodeIterator node) {
    for (size_t i = 0; i < node->inputs.size(); ++i) {
      if (node->op == "QuantizeLinear" && i == 0) continue;  // any float, without rounding it first
      if (stays_float32(node->op, i)) {
        node->inputs[i] = restored(node, node->inputs[i]);
      } else {
        node->inputs[i] = lowered(node, node->inputs[i]);
      }
    }
    lower_outputs(*node);
  }

  void lower_on_processor(ir::NodeIterator node) {
    for (size_t i = 0; i < node->inputs.size(); ++i) {
      Value*& input = node->inputs[i];
      if (reads_any_float(node->op, i)) continue;
      input = reads_sixteen_bits(node->op, i) ? lowered(node, input) : restored(node, input);
    }
    Value* output = node->outputs[0];
    const bool stays = stores_any_float(node->op) && read_in_16_bits_.count(output) == 0;
    if (!stays) return lower_outputs(*node);
    // Told, where readers of the text would expect the type of the inputs.
    const bool is_mixed = std::any_of(node->inputs.begin(), node->inputs.end(),
                                      [&](Value* input) { return is_lowered(input); });
    if (node->op == "Pointwise" && is_mixed && output->dtype == DataType::kFloat32) {
      node->attributes.set("output_dtype", static_cast<int64_t>(DataType::kFloat32));
    }
  }

  void lower_outputs(Node& node) {
    const bool may_mix = chosen_ && node.op == "Pointwise";
    if (node.outputs[0]->dtype == DataType::kFloat32 && (may_mix || tells_output_type(node))) {
      node.attributes.set("output_dtype", static_cast<int64_t>(target_));
    }
    for (Value* output : node.outputs) {
      if (output == nullptr || output->dtype != DataType::kFloat32) continue;
      output->dtype = target_;
      lowered_.insert(output);
    }
  }

  // Bodies read values of the region around them: they get them as they were.
  void restore_inputs(ir::NodeIterator node) {
    for (Value*& input : node->inputs) input = restored(node, input);
    for (auto& nested : node->regions) {
      ir::for_each_region(*nested, [&](ir::Region& region) {
        for (Node& inner : region.nodes) {
          for (Value*& input : inner.inputs) input = restored(node, input);
        }
        for (Value*& output : region.outputs) output = restored(node, output);
      });
    }
  }

  void restore_output(Value*& output) {
    if (!is_lowered(output)) return;
    Value* whole = cast(graph_.main.nodes.end(), output, DataType::kFloat32, float_of_);
    graph_.swap_names(output, whole);
    output = whole;
  }

  Graph& graph_;
  DataType target_;
  const ChooseNode& chosen_;  // for a processor; empty: all, for a GPU
  std::unordered_set<const Value*> lowered_;
  std::unordered_set<const Value*> read_in_16_bits_;  // on a processor
  std::unordered_map<Value*, Value*> lower_of_;       // of float32 values
  std::unordered_map<Value*, Value*> float_of_;       // of lowered ones
};

}  // namespace

bool keeps_accuracy_in_16_bits(std::string_view op) {
  if (contains(kOperators, op) || contains(kQuantized, op)) return true;
  if (contains(kLarge, op)) return false;
  const auto functions = ops::pointwise_functions();
  return std::any_of(functions.begin(), functions.end(),
                     [&](const ops::PointwiseFunction& function) { return function.op == op; });
}

void allow_tf32(ir::Graph& graph) {
  for (Node& node : graph.main.nodes) {
    const bool multiplies = node.op == "Conv" || node.op == "MatMul";
    if (!multiplies || node.outputs[0]->dtype != DataType::kFloat32) continue;
    node.attributes.set("tf32", int64_t{1});
  }
}

Status lower_precision(ir::Graph& graph, DataType target) {
  return lower_precision(graph, target, {});
}

Status lower_precision(ir::Graph& graph, DataType target, const ChooseNode& chosen) {
  if (target != DataType::kFloat16 && target != DataType::kBFloat16) {
    return {StatusCode::kInvalidArgument,
            std::string(to_string(target)) + " is no 16-bit float to compute in"};
  }
  Lowering(graph, target, chosen).run();
  return ir::verify(graph);
}

}  // namespace penstock::passes
