// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/attributes.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// Attributes that a call of a model-local function gives to its body, by the names the body uses.
using AttributeBindings = std::map<std::string, const onnx::AttributeProto*, std::less<>>;

// The attributes of one ONNX node, checked against what its operator has.
struct NodeAttributes {
  ir::Attributes plain;  // ints, floats, strings and lists of them
  std::map<std::string, const onnx::TensorProto*, std::less<>> tensors;
  std::map<std::string, const onnx::GraphProto*, std::less<>> graphs;
  std::map<std::string, const onnx::TypeProto*, std::less<>> types;
};

// The attribute itself, or the one it refers to; null for a reference that the call leaves unset.
const onnx::AttributeProto* resolve(const onnx::AttributeProto& attribute,
                                    const AttributeBindings& bindings);

// Reads the attributes of `node` that `spec` lists (see Rule::attributes). Unknown names and wrong
// types are errors: ignoring them could change the model's answers.
Result<NodeAttributes> read_attributes(const onnx::NodeProto& node,
                                       const AttributeBindings& bindings, std::string_view spec);

}  // namespace penstock::importer
