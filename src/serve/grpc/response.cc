// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/response.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>

#include "serve/protos/inference.pb.h"

namespace penstock::serve {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using inference::ModelInferResponse;
using inference::ModelStreamInferResponse;

// Smaller outputs are copied: a piece of its own costs more.
constexpr size_t kWorthAPiece = 8192;

void set(inference::InferParameter& to, const Parameter& from) {
  if (const auto* flag = std::get_if<bool>(&from)) to.set_bool_param(*flag);
  if (const auto* number = std::get_if<int64_t>(&from)) to.set_int64_param(*number);
  if (const auto* number = std::get_if<uint64_t>(&from)) to.set_uint64_param(*number);
  if (const auto* number = std::get_if<double>(&from)) to.set_double_param(*number);
  if (const auto* text = std::get_if<std::string>(&from)) to.set_string_param(*text);
}

// All but the raw contents.
void fill(const InferenceResponse& response, bool in_stream, ModelInferResponse& message) {
  message.set_model_name(response.model_name);
  message.set_model_version(response.model_version);
  message.set_id(response.id);
  for (const auto& [name, value] : response.parameters) {
    set((*message.mutable_parameters())[name], value);
  }
  if (in_stream) (*message.mutable_parameters())["triton_final_response"].set_bool_param(true);
  for (const TensorView& output : response.outputs) {
    auto& tensor = *message.add_outputs();
    tensor.set_name(output.name);
    tensor.set_datatype(std::string(wire_name(output.dtype)));
    for (const int64_t extent : output.shape) tensor.add_shape(extent);
  }
}

size_t raw_size(const TensorView& output) {
  return output.dtype == DataType::kString ? serialized_size(output) : output.bytes;
}

// Tag and length of a field.
void append_start(std::string& bytes, int field, size_t size) {
  std::array<uint8_t, 20> start = {};
  uint8_t* end = CodedOutputStream::WriteTagToArray(
      WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED), start.data());
  end = CodedOutputStream::WriteVarint64ToArray(size, end);
  bytes.append(reinterpret_cast<const char*>(start.data()),
               static_cast<size_t>(end - start.data()));
}

size_t field_size(int field, size_t size) {
  std::string start;
  append_start(start, field, size);
  return start.size() + size;
}

}  // namespace

std::vector<MessagePiece> write_response(const InferenceResponse& response, ResponseForm form) {
  std::vector<MessagePiece> pieces(1);
  ModelInferResponse message;
  if (!response.error.is_ok()) {
    ModelStreamInferResponse whole;
    whole.set_error_message(response.error.message());
    whole.mutable_infer_response()->set_id(response.id);
    (*whole.mutable_infer_response()->mutable_parameters())["triton_final_response"].set_bool_param(
        true);
    pieces[0].own = whole.SerializeAsString();
    return pieces;
  }
  fill(response, form.in_stream, message);
  if (form.in_stream) {
    size_t size = message.ByteSizeLong();
    for (const TensorView& output : response.outputs) {
      size += field_size(ModelInferResponse::kRawOutputContentsFieldNumber, raw_size(output));
    }
    append_start(pieces[0].own, ModelStreamInferResponse::kInferResponseFieldNumber, size);
  }
  message.AppendToString(&pieces[0].own);
  for (const TensorView& output : response.outputs) {
    std::string& own = pieces.back().own;
    append_start(own, ModelInferResponse::kRawOutputContentsFieldNumber, raw_size(output));
    if (output.dtype == DataType::kString) {
      serialize_strings(output, own);
    } else if (output.bytes < kWorthAPiece) {
      own.append(static_cast<const char*>(output.data), output.bytes);
    } else {
      pieces.back().data = output.data;
      pieces.back().bytes = output.bytes;
      pieces.emplace_back();
    }
  }
  return pieces;
}

}  // namespace penstock::serve
