// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <filesystem>
#include <span>

#include "ir/graph.h"

namespace penstock::importer {

// Reads an ONNX model and lowers it to core operators with inferred types and shapes. Errors name
// the file and the node, value or tensor at fault; everything that is not supported is listed at
// once. External data is looked for in the model's folder only.
Result<ir::Graph> import_onnx(const std::filesystem::path& path);

// The same from the bytes of a model file, which are not needed after the call. External data is
// looked for in `base_dir`.
Result<ir::Graph> import_onnx_from_memory(std::span<const std::byte> bytes,
                                          const std::filesystem::path& base_dir);

}  // namespace penstock::importer
