// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>
#include <vector>

#include "import/scope.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

using NodeList = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

// A name to call the node by: its own, or one made of its operator and position.
std::string name_of(const onnx::NodeProto& node, size_t position);

// Positions of `nodes` in an order where each comes after what it uses; the given order where that
// holds already. `scope` has the names defined before any node. Errors for values that are defined
// twice, used but never defined, or defined by a cycle name the nodes and the value.
Result<std::vector<size_t>> execution_order(const NodeList& nodes, const Scope& scope);

}  // namespace penstock::importer
