// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <optional>

#include "import/symbols.h"
#include "ir/graph.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// The tensors that a sequence or optional type names; null where there are none, or deeper nesting
// than an optional of a sequence of tensors.
const onnx::TypeProto::Tensor* held_tensor(const onnx::TypeProto& type);

// What a sequence or an optional of that type holds. Extents without a number vary: two tensors of
// one sequence may differ in what one name stands for.
std::optional<ir::ElementType> held_type(const onnx::TypeProto& type);

// "sequence of float32", "map", ... for messages.
std::string type_name(const onnx::TypeProto& type);

}  // namespace penstock::importer
