// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/infer_call.h"

#include <algorithm>
#include <charconv>

#include "serve/http/compression.h"
#include "serve/http/infer_request.h"
#include "serve/http/json_tensor.h"
#include "serve/message_json.h"

namespace penstock::serve::http {
namespace {

// Below this, packing costs more than it saves.
constexpr size_t kSmallestToPack = 1024;

void append_parameter(const Parameter& parameter, std::string& json) {
  if (const auto* truth = std::get_if<bool>(&parameter)) json += *truth ? "true" : "false";
  if (const auto* whole = std::get_if<int64_t>(&parameter)) json += std::to_string(*whole);
  if (const auto* large = std::get_if<uint64_t>(&parameter)) json += std::to_string(*large);
  if (const auto* number = std::get_if<double>(&parameter)) append_json_number(*number, json);
  if (const auto* text = std::get_if<std::string>(&parameter)) append_json_string(*text, json);
}

// Keeps what a response views alive: the server's memory, and strings as they go on the wire.
struct Owned {
  std::shared_ptr<const void> memory;
  std::vector<std::unique_ptr<std::string>> strings;
};

class InferCall : public InferenceRequest {
 public:
  InferCall(Request request, std::shared_ptr<Exchange> exchange)
      : exchange_(std::move(exchange)),
        memory_(std::move(request.memory)),
        encoding_(choose_encoding(request.head.accept_encoding)) {
    arrival = request.arrival;
    trace_parent = std::move(request.head.trace_parent);
  }

  void take(ParsedInference parsed) {
    id = std::move(parsed.id);
    inputs = std::move(parsed.inputs);
    outputs = std::move(parsed.outputs);
    parameters = std::move(parsed.parameters);
    priority = parsed.priority;
    timeout_us = parsed.timeout_us;
    sequence_id = std::move(parsed.sequence_id);
    sequence_start = parsed.sequence_start;
    sequence_end = parsed.sequence_end;
    is_binary_ = std::move(parsed.is_binary);
    is_binary_by_default_ = parsed.is_binary_by_default;
    tensors_ = std::move(parsed.memory);
  }

  void complete(InferenceResponse response) noexcept override {
    if (!response.error.is_ok()) return exchange_->respond(error_response(response.error));
    try {
      exchange_->respond(write(std::move(response)));
    } catch (const std::exception&) {
      exchange_->respond(error_response({ErrorCode::kInternal, "no memory for the response"}));
    }
  }

 private:
  // JSON, then the binary tensors in their order.
  Response write(InferenceResponse inference) const {
    Response response;
    auto owned = std::make_shared<Owned>();
    std::string& json = response.text;
    json = "{";
    if (!inference.id.empty()) {
      json += "\"id\":";
      append_json_string(inference.id, json);
      json += ',';
    }
    json += "\"model_name\":";
    append_json_string(inference.model_name, json);
    json += ",\"model_version\":";
    append_json_string(inference.model_version, json);
    if (!inference.parameters.empty()) {
      json += ",\"parameters\":{";
      for (const auto& [name, value] : inference.parameters) {
        if (json.back() != '{') json += ',';
        append_json_string(name, json);
        json += ':';
        append_parameter(value, json);
      }
      json += '}';
    }
    json += ",\"outputs\":[";
    for (size_t i = 0; i < inference.outputs.size(); ++i) {
      if (i > 0) json += ',';
      write_output(inference.outputs[i], i, response, *owned);
    }
    json += "]}";
    if (!response.parts.empty()) {
      response.content_type = "application/octet-stream";
      response.fields = "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n";
    }
    owned->memory = std::move(inference.memory);
    response.owner = std::move(owned);
    if (encoding_ != Encoding::kIdentity && size_of(response) >= kSmallestToPack) {
      const Error error = compress(response, encoding_);
      if (!error.is_ok()) return error_response(error);
    }
    return response;
  }

  static size_t size_of(const Response& response) {
    size_t size = response.text.size();
    for (const auto& part : response.parts) size += part.size();
    return size;
  }

  bool is_binary(size_t output) const {
    return output < is_binary_.size() ? is_binary_[output] : is_binary_by_default_;
  }

  void write_output(const TensorView& tensor, size_t i, Response& response, Owned& owned) const {
    std::string& json = response.text;
    json += "{\"name\":";
    append_json_string(tensor.name, json);
    json += ",\"datatype\":\"";
    json += wire_name(tensor.dtype);
    json += "\",\"shape\":[";
    for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      if (axis > 0) json += ',';
      json += std::to_string(tensor.shape[axis]);
    }
    if (!is_binary(i)) {
      json += "],\"data\":";
      append_json_tensor(tensor, json);
      json += '}';
      return;
    }
    std::span<const std::byte> bytes(static_cast<const std::byte*>(tensor.data), tensor.bytes);
    if (tensor.dtype == DataType::kString) {
      auto packed = std::make_unique<std::string>();
      packed->reserve(serialized_size(tensor));
      serialize_strings(tensor, *packed);
      bytes = std::as_bytes(std::span<const char>(*packed));
      owned.strings.push_back(std::move(packed));
    }
    json += "],\"parameters\":{\"binary_data_size\":" + std::to_string(bytes.size()) + "}}";
    response.parts.push_back(bytes);
  }

  const std::shared_ptr<Exchange> exchange_;
  const std::shared_ptr<const void> memory_;
  std::vector<std::shared_ptr<const void>> tensors_;
  std::vector<bool> is_binary_;
  bool is_binary_by_default_ = false;
  const Encoding encoding_;
};

// "Inference-Header-Content-Length: 0": the body is the one input's elements, a batch of one.
Answer<ParsedInference> raw_inference(ModelServer& server, const std::string& model,
                                      const std::string& version, std::string_view body) {
  PENSTOCK_ASSIGN_OR_RETURN(const inference::ModelMetadataResponse metadata,
                            server.model_metadata(model, version));
  const auto wrong = [](std::string text) {
    return Error(ErrorCode::kInvalidArgument, std::move(text));
  };
  if (metadata.inputs_size() != 1) {
    return wrong("a raw binary request is for models with one input; this one has " +
                 std::to_string(metadata.inputs_size()));
  }
  const auto& input = metadata.inputs(0);
  TensorView tensor;
  tensor.name = input.name();
  tensor.dtype = parse_wire_name(input.datatype());
  // What varies is 1, but one extent, which the size tells.
  tensor.shape.assign(input.shape().begin(), input.shape().end());
  const size_t each = size_of(tensor.dtype);
  const bool is_batched = !tensor.shape.empty() && tensor.shape[0] == -1;
  if (is_batched) tensor.shape[0] = 1;
  const auto varying = std::find(tensor.shape.begin(), tensor.shape.end(), -1);
  if (varying != tensor.shape.end()) {
    *varying = 1;
    if (std::find(varying, tensor.shape.end(), -1) != tensor.shape.end()) {
      return wrong("a raw binary request needs a model with one varying dimension at most");
    }
    const int64_t others = std::max<int64_t>(1, element_count(tensor.shape));
    *varying = static_cast<int64_t>(body.size() / each) / others;
  }
  ParsedInference parsed;
  parsed.is_binary_by_default = true;
  tensor.data = body.data();
  tensor.bytes = body.size();
  if (tensor.dtype == DataType::kString) {
    auto elements =
        std::make_shared<std::vector<StringRef>>(1, StringRef{body.data(), body.size()});
    tensor.data = elements->data();
    tensor.bytes = sizeof(StringRef);
    parsed.memory.push_back(std::move(elements));
  }
  parsed.inputs.push_back(std::move(tensor));
  return parsed;
}

}  // namespace

void start_inference(ModelServer& server, const std::string& model, const std::string& version,
                     Request request, const Limits& limits, std::shared_ptr<Exchange> exchange) {
  const std::string_view body = request.body;
  const std::optional<uint64_t> json_length = request.head.json_length;
  auto call = std::make_shared<InferCall>(std::move(request), exchange);
  call->model_name = model;
  call->model_version = version;
  const bool is_raw = json_length.has_value() && *json_length == 0;
  Answer<ParsedInference> parsed = is_raw ? raw_inference(server, model, version, body)
                                          : parse_inference(body, json_length, limits);
  if (!parsed.is_ok()) {
    return exchange->respond(error_response(parsed.status()));
  }
  call->take(*std::move(parsed));
  exchange->watch(call);
  server.infer(std::move(call));
}

}  // namespace penstock::serve::http
