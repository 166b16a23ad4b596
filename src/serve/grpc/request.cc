// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/request.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <limits>

#include "serve/buffer_pool.h"

namespace penstock::serve {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using google::protobuf::io::StringOutputStream;
using google::protobuf::io::ZeroCopyInputStream;
using InputTensor = inference::ModelInferRequest::InferInputTensor;

constexpr int kRawContents = inference::ModelInferRequest::kRawInputContentsFieldNumber;

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Error broken() { return wrong("the request is no ModelInferRequest: its protobuf is broken"); }

// Raw contents go to memory of their own; all other fields are gathered and parsed as a message.
Error split(ZeroCopyInputStream& stream, size_t bytes, RequestMemory& memory) {
  CodedInputStream in(&stream);
  std::string rest;
  {
    StringOutputStream out_stream(&rest);
    CodedOutputStream out(&out_stream);
    while (const uint32_t tag = in.ReadTag()) {
      if (tag != WireFormatLite::MakeTag(kRawContents, WireFormatLite::WIRETYPE_LENGTH_DELIMITED)) {
        if (!WireFormatLite::SkipField(&in, tag, &out)) return broken();
        continue;
      }
      uint32_t size = 0;
      if (!in.ReadVarint32(&size) || size > bytes) return broken();
      std::shared_ptr<std::byte> block = BufferPool::shared()->take(size);
      if (block == nullptr) {
        return {ErrorCode::kUnavailable, fmt::format("no memory for {} bytes of inputs", size)};
      }
      if (!in.ReadRaw(block.get(), static_cast<int>(size))) return broken();
      memory.raw.push_back(std::move(block));
      memory.raw_bytes.push_back(size);
    }
    if (!in.ConsumedEntireMessage()) return broken();
  }
  return memory.message.ParseFromString(rest) ? Error() : broken();
}

Parameter to_parameter(const inference::InferParameter& from) {
  using inference::InferParameter;
  switch (from.parameter_choice_case()) {
    case InferParameter::kBoolParam: return from.bool_param();
    case InferParameter::kInt64Param: return from.int64_param();
    case InferParameter::kDoubleParam: return from.double_param();
    case InferParameter::kUint64Param: return from.uint64_param();
    default: return from.string_param();
  }
}

// A number that is not negative.
Answer<uint64_t> number_of(const std::string& name, const inference::InferParameter& from) {
  using inference::InferParameter;
  if (from.parameter_choice_case() == InferParameter::kUint64Param) return from.uint64_param();
  if (from.parameter_choice_case() == InferParameter::kInt64Param && from.int64_param() >= 0) {
    return static_cast<uint64_t>(from.int64_param());
  }
  return wrong(fmt::format("parameter '{}' must be an integer of 0 or more", name));
}

Error read_parameters(const inference::ModelInferRequest& message, InferenceRequest& request) {
  using inference::InferParameter;
  for (const auto& [name, value] : message.parameters()) {
    const auto kind = value.parameter_choice_case();
    if (name == "sequence_id") {
      if (kind == InferParameter::kStringParam) {
        request.sequence_id = value.string_param();
      } else {
        PENSTOCK_ASSIGN_OR_RETURN(request.sequence_id, number_of(name, value));
      }
    } else if (name == "sequence_start" || name == "sequence_end") {
      if (kind != InferParameter::kBoolParam) {
        return wrong(fmt::format("parameter '{}' must be a bool", name));
      }
      (name == "sequence_start" ? request.sequence_start : request.sequence_end) =
          value.bool_param();
    } else if (name == "priority") {
      PENSTOCK_ASSIGN_OR_RETURN(request.priority, number_of(name, value));
    } else if (name == "timeout") {
      PENSTOCK_ASSIGN_OR_RETURN(request.timeout_us, number_of(name, value));
    } else if (name == kEmptyFinalResponse || name == "binary_data_output") {
      continue;  // answers over gRPC are raw, and the last one is marked
    } else if (name.starts_with("triton_")) {
      return wrong(
          fmt::format("parameter '{}': names that begin with 'triton_' are reserved", name));
    } else {
      request.parameters.emplace(name, to_parameter(value));
    }
  }
  return {};
}

template <typename T, typename Field>
void narrow(const Field& values, std::vector<std::byte>& bytes) {
  bytes.resize(static_cast<size_t>(values.size()) * sizeof(T));
  auto* to = reinterpret_cast<T*>(bytes.data());
  for (const auto value : values) *to++ = static_cast<T>(value);
}

template <typename Field>
void view(const Field& values, TensorView& tensor) {
  tensor.data = values.data();
  tensor.bytes = static_cast<size_t>(values.size()) * sizeof(*values.data());
}

// Elements in the field of their type.
Error view_contents(const InputTensor& input, RequestMemory& memory, TensorView& tensor) {
  const inference::InferTensorContents& contents = input.contents();
  const auto view_narrowed = [&] {
    tensor.data = memory.narrowed.back().data();
    tensor.bytes = memory.narrowed.back().size();
  };
  switch (tensor.dtype) {
    case DataType::kBool: view(contents.bool_contents(), tensor); return {};
    case DataType::kInt32: view(contents.int_contents(), tensor); return {};
    case DataType::kInt64: view(contents.int64_contents(), tensor); return {};
    case DataType::kUInt32: view(contents.uint_contents(), tensor); return {};
    case DataType::kUInt64: view(contents.uint64_contents(), tensor); return {};
    case DataType::kFloat32: view(contents.fp32_contents(), tensor); return {};
    case DataType::kFloat64: view(contents.fp64_contents(), tensor); return {};
    case DataType::kInt8:
      narrow<int8_t>(contents.int_contents(), memory.narrowed.emplace_back());
      break;
    case DataType::kInt16:
      narrow<int16_t>(contents.int_contents(), memory.narrowed.emplace_back());
      break;
    case DataType::kUInt8:
      narrow<uint8_t>(contents.uint_contents(), memory.narrowed.emplace_back());
      break;
    case DataType::kUInt16:
      narrow<uint16_t>(contents.uint_contents(), memory.narrowed.emplace_back());
      break;
    case DataType::kString: {
      std::vector<StringRef>& strings = memory.strings.emplace_back();
      for (const std::string& text : contents.bytes_contents()) {
        strings.push_back({text.data(), text.size()});
      }
      tensor.data = strings.data();
      tensor.bytes = strings.size() * sizeof(StringRef);
      return {};
    }
    default:
      return wrong(fmt::format("input '{}': {} has no field of its own; send raw_input_contents",
                               tensor.name, input.datatype()));
  }
  view_narrowed();
  return {};
}

Error view_raw(size_t index, RequestMemory& memory, TensorView& tensor) {
  tensor.data = memory.raw[index].get();
  tensor.bytes = memory.raw_bytes[index];
  if (tensor.dtype != DataType::kString) return {};
  const std::string_view bytes(reinterpret_cast<const char*>(memory.raw[index].get()),
                               tensor.bytes);
  auto strings = parse_strings(bytes, element_count(tensor.shape));
  if (!strings.is_ok()) {
    return wrong(fmt::format("input '{}': {}", tensor.name, strings.status().message()));
  }
  memory.strings.push_back(std::move(*strings));
  tensor.data = memory.strings.back().data();
  tensor.bytes = memory.strings.back().size() * sizeof(StringRef);
  return {};
}

Error read_inputs(RequestMemory& memory, InferenceRequest& request) {
  const auto& inputs = memory.message.inputs();
  const bool raw = !memory.raw.empty();
  const auto count = static_cast<size_t>(inputs.size());
  if (raw && memory.raw.size() != count) {
    return wrong(fmt::format("expected tensor data for {} inputs in raw_input_contents, got {}",
                             count, memory.raw.size()));
  }
  request.inputs.reserve(count);
  memory.strings.reserve(count);
  memory.narrowed.reserve(count);
  for (int i = 0; i < inputs.size(); ++i) {
    const InputTensor& input = inputs[i];
    TensorView tensor;
    tensor.name = input.name();
    tensor.dtype = parse_wire_name(input.datatype());
    tensor.shape.assign(input.shape().begin(), input.shape().end());
    if (tensor.dtype == DataType::kUndefined) {
      return wrong(
          fmt::format("input '{}' has the datatype '{}'; known are BOOL, UINT8 to UINT64, "
                      "INT8 to INT64, FP16, BF16, FP32, FP64 and BYTES",
                      tensor.name, input.datatype()));
    }
    for (const int64_t extent : tensor.shape) {
      if (extent < 0) {
        return wrong(fmt::format("input '{}' has an extent of {}", tensor.name, extent));
      }
    }
    if (input.parameters().contains("shared_memory_region")) {
      return {ErrorCode::kUnsupported,
              fmt::format("input '{}': shared memory is not available", tensor.name)};
    }
    if (raw && input.has_contents()) {
      return wrong(fmt::format(
          "contents field must not be specified when using raw_input_contents for '{}' for model "
          "'{}'",
          tensor.name, request.model_name));
    }
    PENSTOCK_RETURN_IF_REFUSED(raw ? view_raw(static_cast<size_t>(i), memory, tensor)
                                   : view_contents(input, memory, tensor));
    request.inputs.push_back(std::move(tensor));
  }
  return {};
}

Error read_outputs(const inference::ModelInferRequest& message, InferenceRequest& request) {
  for (const auto& output : message.outputs()) {
    RequestedOutput wanted = {output.name(), 0};
    if (output.parameters().contains("shared_memory_region")) {
      return {ErrorCode::kUnsupported,
              fmt::format("output '{}': shared memory is not available", output.name())};
    }
    if (const auto classes = output.parameters().find("classification");
        classes != output.parameters().end()) {
      PENSTOCK_ASSIGN_OR_RETURN(const uint64_t number,
                                number_of("classification", classes->second));
      if (number == 0 || number > std::numeric_limits<uint32_t>::max()) {
        return wrong(fmt::format("output '{}': parameter 'classification' must be 1 or more",
                                 output.name()));
      }
      wanted.classes = static_cast<uint32_t>(number);
    }
    request.outputs.push_back(std::move(wanted));
  }
  return {};
}

}  // namespace

Error read_request(ZeroCopyInputStream& stream, size_t bytes, RequestMemory& memory,
                   InferenceRequest& request) {
  PENSTOCK_RETURN_IF_REFUSED(split(stream, bytes, memory));
  request.model_name = memory.message.model_name();
  request.model_version = memory.message.model_version();
  request.id = memory.message.id();
  PENSTOCK_RETURN_IF_REFUSED(read_parameters(memory.message, request));
  PENSTOCK_RETURN_IF_REFUSED(read_inputs(memory, request));
  return read_outputs(memory.message, request);
}

}  // namespace penstock::serve
