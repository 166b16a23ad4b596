// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/model_file.h"

#include <google/protobuf/io/coded_stream.h>

#include <limits>
#include <string_view>

namespace penstock::importer {
namespace {

Status invalid(std::string message) { return {StatusCode::kInvalidModel, std::move(message)}; }

// A file that does not parse: what it most likely is.
Status explain_damage(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("version https://git-lfs")) {
    return invalid("not an ONNX model but a Git LFS pointer to one: fetch it with 'git lfs pull'");
  }
  // Writers put ModelProto.ir_version, field 1, first.
  if (text[0] == '\x08') return invalid("the ONNX model is truncated or damaged");
  return invalid("not an ONNX model");
}

Status check_versions(const onnx::ModelProto& model) {
  if (model.ir_version() > onnx::IR_VERSION) {
    return {StatusCode::kUnsupported, "the model has ONNX IR version " +
                                          std::to_string(model.ir_version()) + "; versions up to " +
                                          std::to_string(onnx::IR_VERSION) + " are supported"};
  }
  const int64_t opset = onnx_opset(model.opset_import());
  if (opset == 0) {
    // Operators of other domains need no ONNX; any of ONNX's is then an error of its own.
    if (model.opset_import_size() > 0) return Status::ok();
    return invalid("the model imports no ONNX operator set: it is truncated or damaged");
  }
  return check_opset(opset);
}

}  // namespace

bool is_onnx_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

Status check_opset(int64_t opset) {
  if (opset >= kOldestOpset && opset <= kNewestOpset) return Status::ok();
  return {StatusCode::kUnsupported, "the model uses opset " + std::to_string(opset) + "; opsets " +
                                        std::to_string(kOldestOpset) + " to " +
                                        std::to_string(kNewestOpset) + " are supported"};
}

Result<std::shared_ptr<const onnx::ModelProto>> parse_model(std::span<const std::byte> bytes) {
  constexpr size_t kLimit = std::numeric_limits<int>::max();
  if (bytes.empty()) return invalid("not an ONNX model: the file is empty");
  if (bytes.size() > kLimit) {
    return invalid("the file has " + std::to_string(bytes.size()) +
                   " bytes, but protobuf ends at " + std::to_string(kLimit) +
                   ": store the weights as external data");
  }
  auto model = std::make_shared<onnx::ModelProto>();
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetTotalBytesLimit(static_cast<int>(kLimit));
  if (!model->ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    return explain_damage(bytes);
  }
  // Arbitrary bytes may parse as fields that ModelProto does not have.
  if (!model->has_ir_version() && !model->has_graph()) return explain_damage(bytes);
  if (model->ir_version() <= onnx::IR_VERSION && !model->unknown_fields().empty()) {
    return invalid("the ONNX model has unknown data at its top level: it is damaged");
  }
  if (!model->has_graph()) {
    return invalid("the ONNX model has no graph: it is truncated or damaged");
  }
  // The first IR versions had no operator sets to import: they mean the first one.
  const bool is_first = model->ir_version() == 1 || model->ir_version() == 2;
  if (is_first && model->opset_import_size() == 0) model->add_opset_import()->set_version(1);
  PENSTOCK_RETURN_IF_ERROR(check_versions(*model));
  return std::shared_ptr<const onnx::ModelProto>(std::move(model));
}

}  // namespace penstock::importer
