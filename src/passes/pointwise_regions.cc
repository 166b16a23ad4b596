// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_set>

#include "ops/elementwise/pointwise_program.h"
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/quantization.h"

namespace penstock::passes {
namespace {

// Longer programs gain nothing, and run out of registers.
constexpr size_t kMostCalls = 48;
constexpr size_t kMostInputs = 12;

// Between float32 and 8-bit integers, with one scale.
bool is_quantization(const ir::Node& node) {
  const std::optional<TensorScale> scale = tensor_scale(node);
  if (!scale || is_small(scale->dtype)) return false;
  const ir::Value* real = node.op == "QuantizeLinear" ? node.inputs[0] : node.outputs[0];
  return real->dtype == DataType::kFloat32;
}

bool is_dequantization(const ir::Node& node) {
  return node.op == "DequantizeLinear" && is_quantization(node);
}

// Calls of a program, of which each may name the one before as "$p": the last one's result is the
// node's.
std::vector<std::string> calls_of(const ir::Node& node) {
  if (!is_quantization(node)) return {*ops::pointwise_call(node)};
  const TensorScale scale = *tensor_scale(node);
  const auto zero_point = static_cast<float>(scale.zero_point);
  const std::string by_scale = "," + ops::to_text(scale.scale) + ")";
  const std::string shift = "," + ops::to_text(zero_point) + ")";
  if (node.op == "DequantizeLinear") {
    if (scale.zero_point == 0) return {"mul($0" + by_scale};
    return {"sub($0" + shift, "mul($p" + by_scale};
  }
  std::vector<std::string> calls = {"div($0" + by_scale, "round($p)"};
  if (scale.zero_point != 0) calls.push_back("add($p" + shift);
  calls.push_back("clip($p," + ops::to_text(scale.low() + zero_point) + "," +
                  ops::to_text(scale.high() + zero_point) + ")");
  return calls;
}

// The nodes that may join `root`: each computes elements of the root's shape which only the region
// reads. Smaller operands stay outside: inside they would be computed again for every element.
class RegionFinder {
 public:
  RegionFinder(Rewriter& rewriter, ir::Node& root) : rewriter_(rewriter), root_(root) {
    members_.insert(&root);
    bool grows = true;
    while (grows) grows = grow();
  }

  // In execution order.
  std::vector<ir::Node*> ordered(const std::vector<ir::Node*>& all) const {
    std::vector<ir::Node*> nodes;
    std::copy_if(all.begin(), all.end(), std::back_inserter(nodes),
                 [&](ir::Node* node) { return members_.count(node) != 0; });
    return nodes;
  }

  size_t size() const { return members_.size(); }

 private:
  bool grow() {
    for (const ir::Node* member : members_) {
      for (const ir::Value* input : member->inputs) {
        if (input != nullptr && may_join(input)) {
          members_.insert(input->producer);
          return true;
        }
      }
    }
    return false;
  }

  bool may_join(const ir::Value* value) const {
    ir::Node* node = value->producer;
    if (node == nullptr || members_.count(node) != 0 || members_.size() >= kMostCalls) return false;
    if (!rewriter_.is_alive(node) || !rewriter_.same_region(*node, root_)) return false;
    // Cheaper to compute again than to read what it made.
    if (is_dequantization(*node)) return value->shape == root_.outputs[0]->shape;
    if (rewriter_.is_output(value) || value->shape != root_.outputs[0]->shape) return false;
    const std::vector<ir::Node*>& users = rewriter_.users(value);
    if (!std::all_of(users.begin(), users.end(),
                     [&](ir::Node* user) { return members_.count(user) != 0; })) {
      return false;
    }
    return is_quantization(*node) || ops::pointwise_call(*node).has_value();
  }

  Rewriter& rewriter_;
  ir::Node& root_;
  std::unordered_set<ir::Node*> members_;
};

// The text of a program over values.
class ProgramWriter {
 public:
  void add(const ir::Node& node) {
    for (const std::string& call : calls_of(node)) {
      add_call(call, node);
      results_.push_back(nullptr);
    }
    results_.back() = node.outputs[0];
  }

  const std::string& text() const { return text_; }
  const std::vector<ir::Value*>& inputs() const { return inputs_; }

 private:
  void add_call(const std::string& call, const ir::Node& node) {
    if (!text_.empty()) text_ += ";";
    for (size_t i = 0; i < call.size(); ++i) {
      if (call[i] != '$') {
        text_ += call[i];
        continue;
      }
      if (call[i + 1] == 'p') {
        text_ += "t" + std::to_string(results_.size() - 1);
        ++i;
        continue;
      }
      size_t operand = 0;
      while (i + 1 < call.size() && call[i + 1] >= '0' && call[i + 1] <= '9') {
        operand = operand * 10 + static_cast<size_t>(call[++i] - '0');
      }
      text_ += name_of(node.inputs[operand]);
    }
  }

  std::string name_of(ir::Value* value) {
    const auto result = std::find(results_.begin(), results_.end(), value);
    if (result != results_.end()) return "t" + std::to_string(result - results_.begin());
    auto input = std::find(inputs_.begin(), inputs_.end(), value);
    if (input == inputs_.end()) input = inputs_.insert(inputs_.end(), value);
    return "i" + std::to_string(input - inputs_.begin());
  }

  std::string text_;
  std::vector<ir::Value*> inputs_;
  std::vector<const ir::Value*> results_;
};

void fuse(Rewriter& rewriter, ir::Node& root, const std::vector<ir::Node*>& nodes) {
  ProgramWriter program;
  for (const ir::Node* node : nodes) program.add(*node);
  if (program.inputs().empty() || program.inputs().size() > kMostInputs) return;
  ir::Node fused;
  fused.op = "Pointwise";
  fused.name = root.name;
  fused.inputs = program.inputs();
  fused.attributes.set("program", program.text());
  const DataType type = root.outputs[0]->dtype;
  if (type != DataType::kFloat32) {
    fused.attributes.set("output_dtype", static_cast<int64_t>(type));
  }
  rewriter.replace_node(root, std::move(fused), nodes);
}

bool may_be_root(const ir::Node& node) {
  if (node.outputs.size() != 1 || node.outputs[0] == nullptr) return false;
  if (is_quantization(node)) return true;
  return node.outputs[0]->dtype == DataType::kFloat32 && ops::pointwise_call(node).has_value();
}

}  // namespace

// Maximal groups of pointwise float32 nodes run as one expression: one pass over memory. What
// quantizes and dequantizes with one scale belongs to them, and is an expression on its own.
Status pointwise_regions(ir::Graph& graph) {
  Rewriter rewriter(graph);
  const std::vector<ir::Node*> nodes = rewriter.nodes();
  // From the back: the last node of a region is its root.
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    ir::Node* root = *it;
    if (!rewriter.is_alive(root) || !may_be_root(*root)) continue;
    const RegionFinder region(rewriter, *root);
    if (region.size() > 1 || is_quantization(*root)) fuse(rewriter, *root, region.ordered(nodes));
  }
  return rewriter.finish();
}

}  // namespace penstock::passes
