// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "import/rules.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// What runs a node: a rule for an operator of ONNX, a function of the model, or nothing.
struct Implementation {
  const Rule* rule = nullptr;
  const onnx::FunctionProto* function = nullptr;
};

// The functions that a model brings with it.
class Functions {
 public:
  explicit Functions(const onnx::ModelProto& model);

  // ONNX's own operators, and those that the application registered, win over functions of the
  // same name, as long as there is a rule.
  Implementation find(const onnx::NodeProto& node, int opset) const;
  // The opset of ONNX's operators inside of the function.
  int opset_of(const onnx::FunctionProto& function, int callers) const;

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // domain, name, overload
  std::map<Key, const onnx::FunctionProto*> functions_;
};

}  // namespace penstock::importer
