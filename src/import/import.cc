// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

#include "base/mapped_file.h"
#include "import/graph_importer.h"
#include "import/model_file.h"

namespace penstock::importer {

Result<ir::Graph> import_onnx(const std::filesystem::path& path, const ChooseShapeInputs& choose) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  Result<ir::Graph> graph = import_onnx_from_memory(file->data(), path.parent_path(), choose);
  if (!graph.is_ok()) return graph.status().with_context("'" + path.string() + "'");
  return graph;
}

Result<ir::Graph> import_onnx_from_memory(std::span<const std::byte> bytes,
                                          const std::filesystem::path& base_dir,
                                          const ChooseShapeInputs& choose) {
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<const onnx::ModelProto> model, parse_model(bytes));
  return GraphImporter(std::move(model), base_dir).run(choose);
}

}  // namespace penstock::importer
