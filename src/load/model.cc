// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/model.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/wire_types.h"
#include "load/wire.h"

namespace penstock::load {
namespace {

Status not_understood(std::string_view why) {
  return {StatusCode::kIoError,
          fmt::format("the server's description of the model is not understood: {}", why)};
}

// Names of models as a part of a path.
std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

std::string path_of(const ModelName& model) {
  const std::string path = "/v2/models/" + escaped(model.name);
  return model.version.empty() ? path : path + "/versions/" + escaped(model.version);
}

std::string grpc_message(std::string message) {
  const auto size = static_cast<uint32_t>(message.size());
  const std::array<char, 5> prefix = {0, static_cast<char>(size >> 24),
                                      static_cast<char>(size >> 16), static_cast<char>(size >> 8),
                                      static_cast<char>(size)};
  return std::string(prefix.data(), prefix.size()) + message;
}

Result<TensorInfo> parse_tensor(std::string_view message) {
  TensorInfo info;
  WireReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) info.name = field->bytes;
    if (field->number == 2) info.dtype = parse_wire_name(field->bytes);
    if (field->number == 3 && field->varint) {
      info.shape.push_back(static_cast<int64_t>(*field->varint));
    } else if (field->number == 3) {
      WireReader extents(field->bytes);
      while (!extents.at_end()) {
        const auto extent = extents.varint();
        if (!extent) return not_understood("a shape is broken");
        info.shape.push_back(static_cast<int64_t>(*extent));
      }
    }
  }
  if (reader.is_broken()) return not_understood("a tensor is broken");
  return info;
}

Status check(const ModelDescription& description) {
  for (const TensorInfo& info : description.inputs) {
    if (info.name.empty()) return not_understood("an input has no name");
    if (info.dtype == DataType::kUndefined) {
      return not_understood(fmt::format("input '{}' has a type that is not known", info.name));
    }
  }
  return Status::ok();
}

// Strings as the binary extension has them: a length of four bytes, little-endian, before each.
std::string bytes_of(const Tensor& tensor) {
  if (tensor.dtype() != DataType::kString) {
    return {static_cast<const char*>(tensor.data()), tensor.bytes()};
  }
  std::string bytes;
  for (const std::string_view text : tensor.strings()) {
    const auto size = static_cast<uint32_t>(text.size());
    for (unsigned shift = 0; shift < 32; shift += 8)
      bytes.push_back(static_cast<char>(size >> shift));
    bytes.append(text);
  }
  return bytes;
}

template <typename T>
void append_numbers(std::string& json, const Tensor& tensor) {
  for (const T value : tensor.as<T>()) {
    if constexpr (sizeof(T) == 1) {
      fmt::format_to(std::back_inserter(json), "{},", static_cast<int>(value));
    } else {
      fmt::format_to(std::back_inserter(json), "{},", value);
    }
  }
}

Result<std::string> json_data(const std::string& name, const Tensor& tensor) {
  std::string json = "[";
  switch (tensor.dtype()) {
    case DataType::kBool:
      for (const uint8_t value : tensor.as<uint8_t>()) json += value != 0 ? "true," : "false,";
      break;
    case DataType::kString:
      for (const std::string_view text : tensor.strings()) {
        json += nlohmann::json(std::string(text))
                    .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
                ",";
      }
      break;
    case DataType::kUInt8: append_numbers<uint8_t>(json, tensor); break;
    case DataType::kUInt16: append_numbers<uint16_t>(json, tensor); break;
    case DataType::kUInt32: append_numbers<uint32_t>(json, tensor); break;
    case DataType::kUInt64: append_numbers<uint64_t>(json, tensor); break;
    case DataType::kInt8: append_numbers<int8_t>(json, tensor); break;
    case DataType::kInt16: append_numbers<int16_t>(json, tensor); break;
    case DataType::kInt32: append_numbers<int32_t>(json, tensor); break;
    case DataType::kInt64: append_numbers<int64_t>(json, tensor); break;
    case DataType::kFloat32: append_numbers<float>(json, tensor); break;
    case DataType::kFloat64: append_numbers<double>(json, tensor); break;
    default:
      return Status(StatusCode::kUnsupported,
                    fmt::format("input '{}': {} has no form in JSON; use --format binary", name,
                                wire_name(tensor.dtype())));
  }
  if (json.back() == ',') json.pop_back();
  return json + "]";
}

std::string extents_of(const Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.shape(), ","));
}

Result<Request> http_inference(const Target& target, const ModelName& model,
                               const std::map<std::string, Tensor>& inputs, TensorFormat format) {
  const bool binary = format == TensorFormat::kBinary;
  std::string json =
      binary ? R"({"parameters":{"binary_data_output":true},"inputs":[)" : R"({"inputs":[)";
  std::string blobs;
  for (const auto& [name, tensor] : inputs) {
    json += fmt::format(R"({{"name":{},"shape":{},"datatype":"{}",)", nlohmann::json(name).dump(),
                        extents_of(tensor), wire_name(tensor.dtype()));
    if (binary) {
      const std::string bytes = bytes_of(tensor);
      json += fmt::format(R"("parameters":{{"binary_data_size":{}}}}},)", bytes.size());
      blobs += bytes;
    } else {
      PENSTOCK_ASSIGN_OR_RETURN(const std::string data, json_data(name, tensor));
      json += R"("data":)" + data + "},";
    }
  }
  if (json.back() == ',') json.pop_back();
  json += "]}";
  const std::string path = path_of(model) + "/infer";
  if (!binary) return http_request(target, "POST", path, "application/json", std::move(json));
  const std::string type =
      fmt::format("application/octet-stream\r\nInference-Header-Content-Length: {}", json.size());
  return http_request(target, "POST", path, type, json + blobs);
}

// ModelInferRequest: model_name 1, model_version 2, inputs 5 {name 1, datatype 2, shape 3},
// raw_input_contents 7.
Result<Request> grpc_inference(const ModelName& model,
                               const std::map<std::string, Tensor>& inputs) {
  std::string message;
  append_field(message, 1, model.name);
  if (!model.version.empty()) append_field(message, 2, model.version);
  for (const auto& [name, tensor] : inputs) {
    std::string input;
    append_field(input, 1, name);
    append_field(input, 2, wire_name(tensor.dtype()));
    std::string extents;
    for (const int64_t extent : tensor.shape()) {
      append_varint(extents, static_cast<uint64_t>(extent));
    }
    append_field(input, 3, extents);
    append_field(message, 5, input);
  }
  for (const auto& [name, tensor] : inputs) append_field(message, 7, bytes_of(tensor));
  if (message.size() > INT32_MAX) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("a request of {} bytes; gRPC's messages end at 2 GiB", message.size()));
  }
  return Request{"/inference.GRPCInferenceService/ModelInfer", grpc_message(std::move(message))};
}

}  // namespace

Result<ModelDescription> parse_json_description(std::string_view json) {
  const auto facts = nlohmann::json::parse(json, nullptr, false);
  if (!facts.is_object()) return not_understood("it is no JSON object");
  ModelDescription description;
  for (const char* kind : {"inputs", "outputs"}) {
    const auto list = facts.find(kind);
    if (list == facts.end() || !list->is_array()) {
      return not_understood(fmt::format("no list of {}", kind));
    }
    for (const auto& entry : *list) {
      if (!entry.is_object()) return not_understood("a tensor that is no object");
      TensorInfo info;
      const auto name = entry.find("name");
      const auto type = entry.find("datatype");
      const auto shape = entry.find("shape");
      if (name == entry.end() || !name->is_string() || type == entry.end() || !type->is_string() ||
          shape == entry.end() || !shape->is_array()) {
        return not_understood("a tensor without name, datatype or shape");
      }
      info.name = name->get<std::string>();
      info.dtype = parse_wire_name(type->get<std::string>());
      for (const auto& extent : *shape) {
        if (!extent.is_number_integer()) return not_understood("an extent that is no integer");
        info.shape.push_back(extent.get<int64_t>());
      }
      if (kind[0] == 'i') {
        description.inputs.push_back(std::move(info));
      } else {
        description.outputs.push_back(info.name);
      }
    }
  }
  PENSTOCK_RETURN_IF_ERROR(check(description));
  return description;
}

// ModelMetadataResponse: name 1, versions 2, platform 3, inputs 4, outputs 5.
Result<ModelDescription> parse_grpc_description(std::string_view message) {
  ModelDescription description;
  WireReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number != 4 && field->number != 5) continue;
    PENSTOCK_ASSIGN_OR_RETURN(TensorInfo info, parse_tensor(field->bytes));
    if (field->number == 4) {
      description.inputs.push_back(std::move(info));
    } else {
      description.outputs.push_back(info.name);
    }
  }
  if (reader.is_broken()) return not_understood("the message is broken");
  PENSTOCK_RETURN_IF_ERROR(check(description));
  return description;
}

Request http_request(const Target& target, std::string_view method, std::string_view path,
                     std::string_view content_type, std::string body) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: penstock-load/{}\r\n",
                                 method, path, target.authority, PENSTOCK_VERSION);
  for (const auto& [name, value] : target.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (!content_type.empty()) head += fmt::format("Content-Type: {}\r\n", content_type);
  if (method != "GET") head += fmt::format("Content-Length: {}\r\n", body.size());
  return {head + "\r\n", std::move(body)};
}

Result<Request> inference_request(const Target& target, const ModelName& model,
                                  const std::map<std::string, Tensor>& inputs,
                                  TensorFormat format) {
  for (const auto& [name, tensor] : inputs) {
    if (wire_name(tensor.dtype()).empty()) {
      return Status(StatusCode::kUnsupported,
                    fmt::format("input '{}': the protocol has no type for {}", name,
                                to_string(tensor.dtype())));
    }
  }
  if (target.protocol == Protocol::kGrpc) return grpc_inference(model, inputs);
  return http_inference(target, model, inputs, format);
}

Result<ModelDescription> describe_model(const Target& target, const ModelName& model,
                                        double timeout_s) {
  const auto context = [&](const Status& status) {
    return status.with_context(fmt::format("model '{}'", model.name));
  };
  if (target.protocol == Protocol::kHttp) {
    const auto answer =
        call(target, http_request(target, "GET", path_of(model), "", ""), timeout_s);
    if (!answer.is_ok()) return context(answer.status());
    return parse_json_description(*answer);
  }
  std::string message;
  append_field(message, 1, model.name);
  if (!model.version.empty()) append_field(message, 2, model.version);
  const Request request = {"/inference.GRPCInferenceService/ModelMetadata",
                           grpc_message(std::move(message))};
  const auto answer = call(target, request, timeout_s);
  if (!answer.is_ok()) return context(answer.status());
  if (answer->size() < 5 || answer->front() != 0) return not_understood("no plain gRPC message");
  return parse_grpc_description(std::string_view(*answer).substr(5));
}

}  // namespace penstock::load
