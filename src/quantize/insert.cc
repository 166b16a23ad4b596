// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "quantize/insert.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "quantize/layers.h"

namespace penstock::quantize {
namespace {

using ir::Graph;
using ir::Node;
using ir::NodeIterator;
using ir::Value;

// Symmetric: -128 has no counterpart, and a sum of two products of it overflows 16 bits, which
// processors without VNNI go through.
constexpr int kMost = 127;
constexpr int kMostUnsigned = 255;

// Values whose negative part is at most this share of the positive one, such as GELU's, waste half
// of what signed integers tell apart.
constexpr float kSkewed = 0.25f;

constexpr auto kFloat = static_cast<int64_t>(DataType::kFloat32);

// Weights as 8-bit integers, and the scale of each output.
struct QuantizedWeights {
  ir::ConstantRef integers;
  std::vector<float> scales;
};

QuantizedWeights quantize_weights(const ir::Constant& weights, int64_t axis) {
  const Shape& shape = weights.shape;
  const int64_t outputs = shape[axis];
  int64_t inner = 1;
  for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  const std::span<const float> elements = weights.as<float>();
  const auto output_of = [&](size_t i) { return static_cast<int64_t>(i) / inner % outputs; };
  QuantizedWeights result;
  result.scales.assign(outputs, 0.0f);
  for (size_t i = 0; i < elements.size(); ++i) {
    float& most = result.scales[output_of(i)];
    most = std::max(most, std::fabs(elements[i]));
  }
  // A scale that is no normal number would divide to infinity; such weights count as zeros.
  constexpr float kLeast = 1e-30f;
  for (float& scale : result.scales) scale = scale < kLeast ? 1.0f : scale / kMost;
  std::vector<int8_t> integers(elements.size());
  for (size_t i = 0; i < elements.size(); ++i) {
    const float rounded = std::nearbyint(elements[i] / result.scales[output_of(i)]);
    integers[i] = static_cast<int8_t>(std::clamp(rounded, -float{kMost}, float{kMost}));
  }
  result.integers = ir::make_constant(DataType::kInt8, shape, integers);
  return result;
}

class Insertion {
 public:
  Insertion(Graph& graph, const CalibrationTable& table, const InsertOptions& options)
      : graph_(graph), table_(table), options_(options) {}

  Result<Inserted> run() {
    find_layers();
    PENSTOCK_RETURN_IF_ERROR(check_ranges());
    ir::Region& region = graph_.main;
    const ir::Uses uses(graph_);
    for (auto at = region.nodes.begin(); at != region.nodes.end(); ++at) {
      if (layers_.count(&*at) != 0) {
        PENSTOCK_RETURN_IF_ERROR(quantize_layer(at));
      } else if (at->op == "Add") {
        PENSTOCK_RETURN_IF_ERROR(quantize_addend(at, uses));
      }
    }
    PENSTOCK_RETURN_IF_ERROR(ir::verify(graph_));
    return std::move(result_);
  }

 private:
  void find_layers() {
    for (Node& node : graph_.main.nodes) {
      if (!is_quantizable(node)) continue;
      const DataType asked = asked_precision(node, options_.layer_precisions);
      if (asked != DataType::kUndefined && asked != DataType::kInt8) {
        result_.kept.push_back(node.name);
      } else {
        layers_.insert(&node);
      }
    }
    result_.quantized = static_cast<int>(layers_.size());
  }

  // By its own name where the table has that: other tools' calibration sees all values.
  const CalibratedRange* range_of(Value* value) const {
    auto it = table_.ranges.find(value->name);
    if (it == table_.ranges.end()) it = table_.ranges.find(without_views(value)->name);
    return it == table_.ranges.end() ? nullptr : &it->second;
  }

  Status check_ranges() const {
    std::vector<const Node*> unknown;
    for (const Node& node : graph_.main.nodes) {
      if (layers_.count(&node) == 0) continue;
      const CalibratedRange* range = range_of(node.inputs[0]);
      if (range == nullptr) {
        unknown.push_back(&node);
      } else if (range->threshold <= 0) {
        return {StatusCode::kInvalidArgument,
                fmt::format("value '{}', which layer '{}' reads, was 0 in all of the calibration "
                            "data: no scale follows from that. Give data that reaches it, or keep "
                            "the layer in float32: layer precisions '{}:fp32'",
                            node.inputs[0]->name, node.name, node.name)};
      }
    }
    if (unknown.empty()) return Status::ok();
    return {
        StatusCode::kInvalidArgument,
        fmt::format("the calibration knows no range for {} of {} layers, such as of '{}', which "
                    "layer '{}' reads: its {} values{} are probably of another model. "
                    "Calibrate this one",
                    unknown.size(), layers_.size(), unknown[0]->inputs[0]->name, unknown[0]->name,
                    table_.ranges.size(),
                    table_.model.empty() ? "" : " of model '" + table_.model + "'")};
  }

  Value* append(NodeIterator where, std::string_view op, const Value* like,
                std::vector<Value*> inputs, DataType dtype, ir::Attributes attributes) {
    Node node;
    node.op = op;
    node.attributes = std::move(attributes);
    node.inputs = std::move(inputs);
    Value* result = graph_.add_value(like->name, dtype, like->shape);
    node.name = result->name;
    node.outputs = {result};
    if (like->producer != nullptr) node.origins = like->producer->origins;
    graph_.insert(graph_.main, where, std::move(node));
    return result;
  }

  Value* dequantize(NodeIterator where, Value* integers, Value* scale, Value* zero_point,
                    int64_t axis, const Value* like) {
    ir::Attributes attributes;
    attributes.set("axis", axis);
    attributes.set("block_size", int64_t{0});
    attributes.set("output_dtype", kFloat);
    std::vector<Value*> inputs = {integers, scale};
    if (zero_point != nullptr) inputs.push_back(zero_point);
    return append(where, "DequantizeLinear", like, std::move(inputs), DataType::kFloat32,
                  std::move(attributes));
  }

  // What a value is stored as.
  struct Integers {
    DataType dtype = DataType::kInt8;
    float scale = 1;
    uint8_t zero_point = 0;
  };

  Integers integers_of(const Value& value, const CalibratedRange& range) const {
    if (!options_.unsigned_activations) return {DataType::kInt8, range.threshold / kMost};
    if (range.min >= 0 || is_never_negative(value)) {
      return {DataType::kUInt8, range.threshold / kMostUnsigned};
    }
    // Padding of a convolution would have to be the zero point: products only.
    if (-range.min > kSkewed * range.threshold || !is_for_products(value)) {
      return {DataType::kInt8, range.threshold / kMost};
    }
    const float scale = (range.threshold - range.min) / kMostUnsigned;
    return {DataType::kUInt8, scale, static_cast<uint8_t>(std::nearbyint(-range.min / scale))};
  }

  // True where a MatMul reads it and no convolution and no sum, whose epilogues know no zero point.
  bool is_for_products(const Value& value) const {
    const auto reads = [&](const Node& node) {
      return std::find(node.inputs.begin(), node.inputs.end(), &value) != node.inputs.end();
    };
    bool has_product = false;
    for (const Node& node : graph_.main.nodes) {
      if (!reads(node)) continue;
      if (node.op == "Conv" || node.op == "Add") return false;
      has_product |= node.op == "MatMul";
    }
    return has_product;
  }

  // The value as its 8 bits have it, made once.
  Value* through_integers(NodeIterator where, Value* value) {
    Value*& known = through_integers_[value];
    if (known != nullptr) return known;
    const Integers stored = integers_of(*value, *range_of(value));
    const DataType dtype = stored.dtype;
    Value* scale =
        graph_.add_constant(value->name + "_scale",
                            ir::make_constant(DataType::kFloat32, {}, std::vector{stored.scale}));
    Value* zero_point =
        graph_.add_constant(value->name + "_zero_point",
                            ir::make_constant(dtype, {}, std::vector<uint8_t>{stored.zero_point}));
    ir::Attributes attributes;
    attributes.set("axis", int64_t{0});
    attributes.set("block_size", int64_t{0});
    attributes.set("output_dtype", static_cast<int64_t>(dtype));
    attributes.set("precision", kFloat);
    attributes.set("saturate", int64_t{1});
    Value* integers = append(where, "QuantizeLinear", value, {value, scale, zero_point}, dtype,
                             std::move(attributes));
    known = dequantize(where, integers, scale, zero_point, 0, value);
    return known;
  }

  Status quantize_layer(NodeIterator at) {
    const int64_t axis = output_axis(*at);
    Value* weights = at->inputs[1];
    QuantizedWeights quantized = quantize_weights(*weights->constant, axis);
    const auto outputs = static_cast<int64_t>(quantized.scales.size());
    Value* integers = graph_.add_constant(weights->name, quantized.integers);
    Value* scales =
        graph_.add_constant(weights->name + "_scale",
                            ir::make_constant(DataType::kFloat32, {outputs}, quantized.scales));
    at->inputs[0] = through_integers(at, at->inputs[0]);
    at->inputs[1] = dequantize(at, integers, scales, nullptr, axis, weights);
    return Status::ok();
  }

  // The sum runs in the epilogue of the later of two convolutions; what it adds there, it reads
  // from memory: 8 bits of it where that value is known in 8 bits or comes from a convolution too.
  Status quantize_addend(NodeIterator at, const ir::Uses& uses) {
    const auto is_absorbing = [&](const Value* value) {
      return value->producer != nullptr && value->producer->op == "Conv" &&
             layers_.count(value->producer) != 0 && uses.has_single_use(value);
    };
    for (const size_t i : {0, 1}) {
      Value*& addend = at->inputs[1 - i];
      if (!is_absorbing(at->inputs[i]) || addend->is_constant() || addend == at->inputs[i] ||
          addend->shape != at->inputs[i]->shape) {
        continue;
      }
      const bool is_known = through_integers_.count(addend) != 0;
      const CalibratedRange* range = range_of(addend);
      const bool is_calibrated = range != nullptr && range->threshold > 0;
      if (is_known || (is_calibrated && is_absorbing(addend)))
        addend = through_integers(at, addend);
      break;
    }
    return Status::ok();
  }

  Graph& graph_;
  const CalibrationTable& table_;
  const InsertOptions& options_;
  std::unordered_set<const Node*> layers_;
  std::unordered_map<const Value*, Value*> through_integers_;
  Inserted result_;
};

}  // namespace

Result<Inserted> insert_quantization(ir::Graph& graph, const CalibrationTable& table,
                                     const InsertOptions& options) {
  return Insertion(graph, table, options).run();
}

}  // namespace penstock::quantize
