// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reference_tactics.h"

#include <map>
#include <memory>

#include "ops/custom/custom.h"
#include "ops/op_definition.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Tactic;

class ReferenceKernel : public Kernel {
 public:
  ReferenceKernel(const OpDefinition& op, NodeFacts node) : op_(op), node_(std::move(node)) {}
  Status run(KernelRun& run) const override { return op_.reference(node_, run); }

 private:
  const OpDefinition& op_;
  NodeFacts node_;
};

class ReferenceTactic : public Tactic {
 public:
  explicit ReferenceTactic(const OpDefinition& op)
      : op_(op), name_("reference." + std::string(op.name)) {}

  std::string_view name() const override { return name_; }
  bool finds_output_shapes() const override { return true; }
  Offer offer(const NodeFacts& node) const override { return Offer::plain(node); }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return std::unique_ptr<Kernel>(std::make_unique<ReferenceKernel>(op_, node));
  }
  bool can_run_in_place(const NodeFacts& node, size_t input) const override {
    return op_.in_place && input == 0 && node.inputs[0].dtype == node.outputs[0].dtype &&
           node.inputs[0].shape == node.outputs[0].shape;
  }

 private:
  const OpDefinition& op_;
  std::string name_;
};

class ReferenceSource : public backends::TacticSource {
 public:
  ReferenceSource() {
    for (const OpDefinition* op : all_ops()) {
      if (op->reference == nullptr) continue;
      tactics_.emplace(op->name, std::make_unique<ReferenceTactic>(*op));
    }
  }
  std::string_view name() const override { return "reference"; }
  std::vector<const Tactic*> tactics_for(std::string_view op) const override {
    if (is_custom_op_name(op)) {
      const Tactic* custom = find_custom_tactic(op);
      return custom == nullptr ? std::vector<const Tactic*>() : std::vector{custom};
    }
    auto it = tactics_.find(op);
    if (it == tactics_.end()) return {};
    return {it->second.get()};
  }
  const Tactic* find(std::string_view tactic) const override {
    constexpr std::string_view kPrefix = "reference.";
    if (tactic.substr(0, kPrefix.size()) != kPrefix) return nullptr;
    const auto found = tactics_for(tactic.substr(kPrefix.size()));
    return found.empty() ? nullptr : found.front();
  }

 private:
  std::map<std::string_view, std::unique_ptr<Tactic>> tactics_;
};

}  // namespace

const backends::TacticSource& reference_tactics() {
  static const ReferenceSource kSource;
  return kSource;
}

}  // namespace penstock::ops
