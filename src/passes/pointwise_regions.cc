// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <unordered_set>

#include "ops/elementwise/pointwise_program.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// Longer programs gain nothing, and run out of registers.
constexpr size_t kMostCalls = 48;
constexpr size_t kMostInputs = 12;

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
    if (rewriter_.is_output(value) || value->shape != root_.outputs[0]->shape) return false;
    const std::vector<ir::Node*>& users = rewriter_.users(value);
    if (!std::all_of(users.begin(), users.end(),
                     [&](ir::Node* user) { return members_.count(user) != 0; })) {
      return false;
    }
    return ops::pointwise_call(*node).has_value();
  }

  Rewriter& rewriter_;
  ir::Node& root_;
  std::unordered_set<ir::Node*> members_;
};

// The text of a program over values.
class ProgramWriter {
 public:
  void add(const ir::Node& node) {
    const std::string call = *ops::pointwise_call(node);
    if (!text_.empty()) text_ += ";";
    for (size_t i = 0; i < call.size(); ++i) {
      if (call[i] != '$') {
        text_ += call[i];
        continue;
      }
      size_t operand = 0;
      while (i + 1 < call.size() && call[i + 1] >= '0' && call[i + 1] <= '9') {
        operand = operand * 10 + static_cast<size_t>(call[++i] - '0');
      }
      text_ += name_of(node.inputs[operand]);
    }
    results_.push_back(node.outputs[0]);
  }

  const std::string& text() const { return text_; }
  const std::vector<ir::Value*>& inputs() const { return inputs_; }

 private:
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
  rewriter.replace_node(root, std::move(fused), nodes);
}

}  // namespace

// Maximal groups of pointwise float32 nodes run as one expression: one pass over memory.
Status pointwise_regions(ir::Graph& graph) {
  Rewriter rewriter(graph);
  const std::vector<ir::Node*> nodes = rewriter.nodes();
  // From the back: the last node of a region is its root.
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    ir::Node* root = *it;
    if (!rewriter.is_alive(root) || root->outputs.size() != 1 || root->outputs[0] == nullptr ||
        root->outputs[0]->dtype != DataType::kFloat32 || !ops::pointwise_call(*root)) {
      continue;
    }
    const RegionFinder region(rewriter, *root);
    if (region.size() > 1) fuse(rewriter, *root, region.ordered(nodes));
  }
  return rewriter.finish();
}

}  // namespace penstock::passes
