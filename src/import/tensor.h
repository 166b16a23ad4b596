// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "import/external_data.h"
#include "ir/constant.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// The element type of that ONNX number; nothing where Penstock does not compute with it.
std::optional<DataType> element_type(int onnx_type);
// ONNX's name of the type, in lower case: "float8e4m3fn".
std::string onnx_type_name(int onnx_type);

// Turns the tensors of one model into constants. Large ones point into the parsed model or into the
// mapped file that holds them, and keep it alive.
class TensorReader {
 public:
  TensorReader(std::shared_ptr<const onnx::ModelProto> model, std::filesystem::path folder)
      : model_(std::move(model)), external_(std::move(folder)) {}

  // `tensor` must be part of the model. Errors name it `name`.
  Result<ir::ConstantRef> read(const onnx::TensorProto& tensor, const std::string& name);

 private:
  Result<ir::ConstantRef> read_external(const onnx::TensorProto& tensor, ir::Constant constant);

  std::shared_ptr<const onnx::ModelProto> model_;
  ExternalData external_;
};

}  // namespace penstock::importer
