// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/support.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "import/model_file.h"
#include "import/order.h"
#include "import/tensor.h"
#include "import/value_type.h"

namespace penstock::importer {
namespace {

using Findings = std::map<std::string, std::vector<std::string>>;

// "Foo (node 'a'), Bar (nodes 'b', 'c', 'd' and 12 more)"
std::string list(const Findings& findings) {
  constexpr size_t kShown = 3;
  std::string text;
  for (const auto& [kind, places] : findings) {
    text += (text.empty() ? "" : ", ") + kind + " (";
    for (size_t i = 0; i < std::min(places.size(), kShown); ++i) {
      text += (i == 0 ? "" : ", ") + places[i];
    }
    if (places.size() > kShown) text += " and " + std::to_string(places.size() - kShown) + " more";
    text += ")";
  }
  return text;
}

std::string count(size_t n, const std::string& what) {
  return std::to_string(n) + " " + what + (n == 1 ? " is" : "s are") + " not supported: ";
}

std::string full_name(const onnx::NodeProto& node, int opset) {
  if (!is_onnx_domain(node.domain())) return node.domain() + "::" + node.op_type();
  const bool is_younger = find_rule(node.op_type(), opset) == nullptr &&
                          find_rule(node.op_type(), kNewestOpset) != nullptr;
  return node.op_type() + (is_younger ? " in opset " + std::to_string(opset) : "");
}

// The import recurses into calls: this bounds its stack.
constexpr size_t kMaxCallDepth = 64;

class Survey {
 public:
  explicit Survey(const Functions& functions) : functions_(functions) {}

  Status check_nodes(const NodeList& nodes, int opset) {
    for (size_t i = 0; i < static_cast<size_t>(nodes.size()); ++i) {
      const onnx::NodeProto& node = nodes[static_cast<int>(i)];
      PENSTOCK_RETURN_IF_ERROR(check_node(node, name_of(node, i), opset));
    }
    return Status::ok();
  }

  Status check_graph(const onnx::GraphProto& graph, int opset) {
    for (const auto& tensor : graph.initializer()) {
      check_type(tensor.data_type(), "tensor '" + tensor.name() + "'");
    }
    for (const auto& sparse : graph.sparse_initializer()) {
      types_["sparse tensor"].push_back("tensor '" + sparse.values().name() + "'");
    }
    return check_nodes(graph.node(), opset);
  }

  void check_input(const onnx::ValueInfoProto& input) {
    const std::string place = "input '" + input.name() + "'";
    const onnx::TypeProto& type = input.type();
    if (type.has_tensor_type()) {
      // 0 is no type: a broken model, for which the import has an error of its own.
      if (type.tensor_type().elem_type() != 0) check_type(type.tensor_type().elem_type(), place);
    } else if (const onnx::TypeProto::Tensor* held = held_tensor(type)) {
      check_type(held->elem_type(), place);
    } else if (type.value_case() != onnx::TypeProto::VALUE_NOT_SET) {
      types_[type_name(type)].push_back(place);
    }
  }

  Status report() const {
    std::string message;
    if (!ops_.empty()) message = count(ops_.size(), "operator") + list(ops_);
    if (!types_.empty()) {
      message += (message.empty() ? "" : "; ") + count(types_.size(), "type") + list(types_);
    }
    return message.empty() ? Status::ok() : Status(StatusCode::kUnsupported, message);
  }

 private:
  void check_type(int onnx_type, const std::string& place) {
    if (!element_type(onnx_type)) types_[onnx_type_name(onnx_type)].push_back(place);
  }

  Status check_attribute(const onnx::AttributeProto& attribute, const std::string& place,
                         int opset) {
    if (attribute.has_t()) check_type(attribute.t().data_type(), place);
    if (attribute.has_sparse_tensor()) types_["sparse tensor"].push_back(place);
    return attribute.has_g() ? check_graph(attribute.g(), opset) : Status::ok();
  }

  // Operators of ONNX name types by number: Cast, EyeLike, QuantizeLinear, ...
  void check_type_attribute(const onnx::AttributeProto& attribute, const std::string& place) {
    const std::string& name = attribute.name();
    const bool is_type = name == "to" || name == "dtype" || name == "output_dtype";
    if (is_type && attribute.i() != 0) check_type(static_cast<int>(attribute.i()), place);
  }

  Status check_node(const onnx::NodeProto& node, const std::string& name, int opset) {
    const std::string place = "node '" + name + "'";
    const bool is_onnx = is_onnx_domain(node.domain());
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      PENSTOCK_RETURN_IF_ERROR(check_attribute(attribute, place, opset));
      if (is_onnx) check_type_attribute(attribute, place);
    }
    if (is_onnx && node.op_type() == "Constant") return Status::ok();
    const Implementation found = functions_.find(node, opset);
    if (found.function != nullptr) return check_function(*found.function, opset);
    if (found.rule == nullptr) ops_[full_name(node, opset)].push_back(place);
    return Status::ok();
  }

  // Each function once per opset; `active_` are those whose bodies are being looked at.
  Status check_function(const onnx::FunctionProto& function, int callers_opset) {
    const int opset = functions_.opset_of(function, callers_opset);
    PENSTOCK_RETURN_IF_ERROR(check_opset(opset).with_context("function '" + function.name() + "'"));
    if (active_.count(&function) != 0) {
      return {StatusCode::kInvalidModel,
              "function '" + function.name() + "' of the model calls itself"};
    }
    if (active_.size() >= kMaxCallDepth) {
      return {StatusCode::kInvalidModel, "function '" + function.name() +
                                             "' is nested in more than " +
                                             std::to_string(kMaxCallDepth) + " calls"};
    }
    if (!seen_.insert({&function, opset}).second) return Status::ok();
    active_.insert(&function);
    const Status status = check_nodes(function.node(), opset);
    active_.erase(&function);
    return status;
  }

  const Functions& functions_;
  Findings ops_;
  Findings types_;
  std::set<const onnx::FunctionProto*> active_;
  std::set<std::pair<const onnx::FunctionProto*, int>> seen_;
};

}  // namespace

Status check_support(const onnx::ModelProto& model, const Functions& functions) {
  Survey survey(functions);
  for (const onnx::ValueInfoProto& input : model.graph().input()) survey.check_input(input);
  const int opset = static_cast<int>(onnx_opset(model.opset_import()));
  PENSTOCK_RETURN_IF_ERROR(survey.check_graph(model.graph(), opset));
  return survey.report();
}

}  // namespace penstock::importer
