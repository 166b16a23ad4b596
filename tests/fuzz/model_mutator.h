// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "onnx/onnx-ml.pb.h"

namespace penstock::fuzz {

// Changes one to four things of a model: nodes, attributes, tensors, types, the opset, and the seed
// of the tensors it will run on.
void mutate(onnx::ModelProto& model, uint64_t seed);
// Brings nodes, tensors or attributes of another model in.
void cross(onnx::ModelProto& model, const onnx::ModelProto& other, uint64_t seed);

}  // namespace penstock::fuzz
