// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>

#include "ir/graph.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// An error where inference contradicts what the model declares of an output: type, number of
// dimensions, or a size that both know.
Status check_output(const ir::Value& value, const onnx::TypeProto& declared);

// Makes `value` an output of the graph under that name. A value that has a name to keep already, as
// an input, a constant or another output, is copied.
Status add_output(ir::Graph& graph, ir::Value* value, const std::string& name);

}  // namespace penstock::importer
