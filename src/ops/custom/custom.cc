// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/custom/custom.h"

#include <penstock/custom_operator.h>

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <mutex>

#include "backends/cpu/cpu_stream.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;
using OperatorRef = std::shared_ptr<const CustomOperator>;

OperatorAttributes public_attributes(const ir::Attributes& attributes) {
  OperatorAttributes result;
  for (const auto& [name, attribute] : attributes.all()) {
    std::visit(
        [&result, &name = name](const auto& value) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, ir::SymbolicShape>) {
            result.set(name, value);
          }
        },
        attribute);
  }
  return result;
}

// Calls the application's code; what it throws comes back as an error.
template <typename Call>
auto guarded(const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::exception& e) {
    return Status(StatusCode::kInvalidArgument,
                  std::string("the custom operator threw: ") + e.what());
  } catch (...) {
    return Status(StatusCode::kInvalidArgument, "the custom operator threw");
  }
}

class Run final : public OperatorRun {
 public:
  Run(KernelRun& run, const OperatorAttributes& attributes, const std::vector<DataType>& outputs)
      : run_(run), attributes_(attributes), outputs_(outputs) {
    for (size_t i = 0; i < run.input_count(); ++i) {
      if (run.has_input(i)) {
        const TensorView& view = run.input(i);
        inputs_.push_back({view.dtype, *view.shape, view.data});
      } else {
        inputs_.emplace_back();
      }
    }
    written_.resize(run.output_count());
  }

  const OperatorAttributes& attributes() const override { return attributes_; }
  size_t input_count() const override { return inputs_.size(); }
  const OperandView& input(size_t i) const override { return inputs_.at(i); }
  size_t output_count() const override { return written_.size(); }
  DataType output_dtype(size_t i) const override { return outputs_.at(i); }
  bool is_wanted(size_t i) const override { return run_.has_output(i); }
  Result<void*> output(size_t i, const Shape& shape) override {
    if (!run_.has_output(i)) {
      return Status(StatusCode::kInvalidArgument,
                    "output " + std::to_string(i) + " is not wanted: ask is_wanted() first");
    }
    for (int64_t extent : shape) {
      if (extent < 0) {
        return Status(StatusCode::kInvalidArgument,
                      "output " + std::to_string(i) + " of shape " + to_string(shape));
      }
    }
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView view, run_.output(i, shape));
    written_[i] = true;
    return view.data;
  }
  void parallel_for(int64_t count, int64_t grain,
                    const std::function<void(int64_t, int64_t)>& body) const override {
    std::mutex mutex;
    std::exception_ptr thrown;  // must not leave a team's thread
    backends::team_of(run_.stream())
        .parallel_for(count, std::max<int64_t>(grain, 1), [&](int64_t begin, int64_t end) {
          try {
            body(begin, end);
          } catch (...) {
            std::lock_guard lock(mutex);
            thrown = std::current_exception();
          }
        });
    if (thrown) std::rethrow_exception(thrown);
  }

  Status check_written() const {
    for (size_t i = 0; i < written_.size(); ++i) {
      if (run_.has_output(i) && !written_[i]) {
        return {StatusCode::kInvalidArgument,
                "the custom operator did not write output " + std::to_string(i)};
      }
    }
    return Status::ok();
  }

 private:
  KernelRun& run_;
  const OperatorAttributes& attributes_;
  const std::vector<DataType>& outputs_;
  std::vector<OperandView> inputs_;
  std::vector<bool> written_;
};

class CustomKernel : public Kernel {
 public:
  CustomKernel(OperatorRef custom_operator, const NodeFacts& node)
      : operator_(std::move(custom_operator)), attributes_(public_attributes(node.attributes)) {
    for (const backends::Operand& output : node.outputs) outputs_.push_back(output.dtype);
  }

  Status run(KernelRun& kernel_run) const override {
    return guarded([&]() -> Status {
      Run run(kernel_run, attributes_, outputs_);
      PENSTOCK_RETURN_IF_ERROR(operator_->run(run));
      return run.check_written();
    });
  }

 private:
  OperatorRef operator_;
  OperatorAttributes attributes_;
  std::vector<DataType> outputs_;
};

Status infer_custom(InferContext& context);
Status run_custom(const NodeFacts& node, KernelRun& run);

// One registration: its definition, and its kernel as a tactic. Immutable: engines that were loaded
// with it keep it when its name is registered anew.
class Entry final : public backends::Tactic {
 public:
  Entry(std::string op, CustomOperator custom_operator)
      : op_(std::move(op)),
        tactic_name_("reference." + op_),
        operator_(std::make_shared<const CustomOperator>(std::move(custom_operator))) {
    definition_ = {.name = op_,
                   .min_inputs = operator_->min_inputs,
                   .max_inputs = operator_->max_inputs,
                   .outputs = operator_->outputs,
                   .infer = infer_custom,
                   .reference = run_custom,
                   .is_stateful = operator_->is_stateful};
  }

  const CustomOperator& get() const { return *operator_; }
  const OpDefinition& definition() const { return definition_; }

  std::string_view name() const override { return tactic_name_; }
  bool finds_output_shapes() const override { return true; }
  Offer offer(const NodeFacts& node) const override { return Offer::plain(node); }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return std::unique_ptr<Kernel>(std::make_unique<CustomKernel>(operator_, node));
  }

 private:
  std::string op_;
  std::string tactic_name_;
  OperatorRef operator_;
  OpDefinition definition_;
};

struct Registry {
  std::mutex mutex;
  std::vector<std::unique_ptr<const Entry>> entries;  // all that ever were: tactics point at them
  std::map<std::string, const Entry*, std::less<>> newest;
};

Registry& registry() {
  static Registry* const kRegistry = new Registry;  // outlives engines of static duration
  return *kRegistry;
}

const Entry* find_entry(std::string_view op) {
  std::lock_guard lock(registry().mutex);
  const auto it = registry().newest.find(op);
  return it == registry().newest.end() ? nullptr : it->second;
}

Status run_custom(const NodeFacts& node, KernelRun& run) {
  const Entry* entry = find_entry(node.op);
  if (entry == nullptr) return {StatusCode::kNotFound, node.op + " is not registered"};
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<Kernel> kernel, entry->bind(node));
  return kernel->run(run);
}

Result<ir::SymbolicShape> shape_of(InferContext& context, const OperandType& type) {
  ir::SymbolicShape shape;
  for (const std::string& text : type.dims) {
    if (text.empty()) {
      shape.push_back(context.fresh_symbol());
      continue;
    }
    PENSTOCK_ASSIGN_OR_RETURN(ir::Dim dim, ir::Dim::parse(text));
    shape.push_back(std::move(dim));
  }
  return shape;
}

Status infer_custom(InferContext& context) {
  const Entry* entry = find_entry(context.node().op);
  if (entry == nullptr) return context.error("is not registered in this process");
  const CustomOperator& custom_operator = entry->get();
  std::vector<OperandType> inputs;
  for (size_t i = 0; i < context.input_count(); ++i) {
    OperandType type;
    type.present = context.has_input(i);
    if (type.present) {
      type.dtype = context.dtype(i);
      for (const ir::Dim& dim : context.shape(i)) type.dims.push_back(dim.to_string());
    }
    inputs.push_back(std::move(type));
  }
  const OperatorAttributes attributes = public_attributes(context.attributes());
  using Types = Result<std::vector<OperandType>>;
  const Types outputs =
      guarded([&]() -> Types { return custom_operator.infer(attributes, inputs); });
  if (!outputs.is_ok()) return context.error(outputs.status().message());
  for (size_t i = 0; i < context.node().outputs.size(); ++i) {
    if (!context.has_output(i)) continue;
    if (i >= outputs->size() || size_of((*outputs)[i].dtype) == 0) {
      return context.error("infer() told no type for output " + std::to_string(i));
    }
    if ((*outputs)[i].dtype == DataType::kString) {
      return context.error("custom operators may read strings, not write them");
    }
    Result<ir::SymbolicShape> shape = shape_of(context, (*outputs)[i]);
    if (!shape.is_ok()) {
      return context.error("infer(), output " + std::to_string(i) + ": " +
                           shape.status().message());
    }
    context.set_output(i, (*outputs)[i].dtype, *std::move(shape));
  }
  return Status::ok();
}

}  // namespace

std::string custom_op_name(std::string_view domain, std::string_view name) {
  return std::string(domain) + "::" + std::string(name);
}

bool is_custom_op_name(std::string_view name) { return name.find("::") != std::string_view::npos; }

const OpDefinition* find_custom_op(std::string_view name) {
  const Entry* entry = find_entry(name);
  return entry == nullptr ? nullptr : &entry->definition();
}

const backends::Tactic* find_custom_tactic(std::string_view op) { return find_entry(op); }

}  // namespace penstock::ops

namespace penstock {

Status register_operator(CustomOperator custom_operator) {
  const std::string op = ops::custom_op_name(custom_operator.domain, custom_operator.name);
  const auto refuse = [&](const std::string& why) {
    return Status(StatusCode::kInvalidArgument, "custom operator '" + op + "': " + why);
  };
  if (custom_operator.name.empty()) return refuse("has no name");
  if (custom_operator.domain.empty() || custom_operator.domain == "ai.onnx") {
    return refuse("needs a domain of its own, such as 'com.example'");
  }
  if (!custom_operator.infer || !custom_operator.run) return refuse("needs infer and run");
  if (custom_operator.min_inputs < 0 || custom_operator.outputs < 1 ||
      (custom_operator.max_inputs >= 0 &&
       custom_operator.max_inputs < custom_operator.min_inputs)) {
    return refuse("needs 0 <= min_inputs <= max_inputs and at least one output");
  }
  auto entry = std::make_unique<const ops::Entry>(op, std::move(custom_operator));
  ops::Registry& registry = ops::registry();
  std::lock_guard lock(registry.mutex);
  registry.newest[op] = entry.get();
  registry.entries.push_back(std::move(entry));
  return Status::ok();
}

}  // namespace penstock
