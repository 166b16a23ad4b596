// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "ir/graph.h"

namespace penstock::importer {

// Told the graph when it has its inputs and nothing else; gives back the inputs of int32 or int64,
// of fixed shape with at most one axis, whose values are to be symbols: each is an extent, known
// when the shapes of inputs are.
using ChooseShapeInputs = std::function<Result<std::vector<ir::Value*>>(const ir::Graph&)>;

// Reads an ONNX model and lowers it to core operators with inferred types and shapes. Errors name
// the file and the node, value or tensor at fault; everything that is not supported is listed at
// once. External data is looked for in the model's folder only.
Result<ir::Graph> import_onnx(const std::filesystem::path& path,
                              const ChooseShapeInputs& choose = {});

// The same from the bytes of a model file, which are not needed after the call. External data is
// looked for in `base_dir`.
Result<ir::Graph> import_onnx_from_memory(std::span<const std::byte> bytes,
                                          const std::filesystem::path& base_dir,
                                          const ChooseShapeInputs& choose = {});

}  // namespace penstock::importer
