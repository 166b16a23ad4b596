// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/functions.h"

#include "import/model_file.h"

namespace penstock::importer {
namespace {

std::string canonical_domain(const std::string& domain) {
  return is_onnx_domain(domain) ? std::string() : domain;
}

}  // namespace

Functions::Functions(const onnx::ModelProto& model) {
  for (const onnx::FunctionProto& function : model.functions()) {
    functions_.emplace(
        Key{canonical_domain(function.domain()), function.name(), function.overload()}, &function);
  }
}

Implementation Functions::find(const onnx::NodeProto& node, int opset) const {
  Implementation found;
  const bool is_onnx = is_onnx_domain(node.domain());
  found.rule = is_onnx ? find_rule(node.op_type(), opset)
                       : find_rule(node.domain() + "::" + node.op_type(), kNewestOpset);
  if (found.rule != nullptr && missing_core_op(*found.rule).empty()) return found;
  if (!is_onnx) {
    found.rule = find_custom_rule(node.domain(), node.op_type());
    if (found.rule != nullptr) return found;
  }
  const auto it =
      functions_.find(Key{canonical_domain(node.domain()), node.op_type(), node.overload()});
  if (it == functions_.end()) return {};
  return {nullptr, it->second};
}

int Functions::opset_of(const onnx::FunctionProto& function, int callers) const {
  const int64_t own = onnx_opset(function.opset_import());
  return own == 0 ? callers : static_cast<int>(own);
}

}  // namespace penstock::importer
