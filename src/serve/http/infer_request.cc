// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/infer_request.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "serve/buffer_pool.h"
#include "serve/http/json_document.h"
#include "serve/http/json_tensor.h"

namespace penstock::serve::http {
namespace {

namespace dom = simdjson::dom;

Error wrong(std::string text) { return {ErrorCode::kInvalidArgument, std::move(text)}; }

// The binary part of the body, taken piece by piece.
class BinaryPart {
 public:
  explicit BinaryPart(std::string_view bytes) : bytes_(bytes) {}

  Answer<std::string_view> take(uint64_t size, const std::string& what) {
    if (size > bytes_.size()) {
      return wrong(fmt::format("{} has binary_data_size {}, and {} bytes of the body are left",
                               what, size, bytes_.size()));
    }
    const std::string_view piece = bytes_.substr(0, static_cast<size_t>(size));
    bytes_.remove_prefix(static_cast<size_t>(size));
    return piece;
  }
  size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

Answer<Parameter> read_parameter(const std::string& name, dom::element value) {
  bool truth = false;
  int64_t whole = 0;
  uint64_t large = 0;
  double number = 0;
  std::string_view text;
  if (value.get(truth) == simdjson::SUCCESS) return Parameter(truth);
  if (value.get(whole) == simdjson::SUCCESS) return Parameter(whole);
  if (value.get(large) == simdjson::SUCCESS) return Parameter(large);
  if (value.is<double>() && value.get(number) == simdjson::SUCCESS) return Parameter(number);
  if (value.get(text) == simdjson::SUCCESS) return Parameter(std::string(text));
  return wrong("parameter '" + name + "' must be a string, a number or a boolean");
}

Answer<Parameters> read_parameters(dom::object owner, const std::string& what) {
  Parameters parameters;
  dom::element value;
  if (owner["parameters"].get(value) != simdjson::SUCCESS) return parameters;
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return wrong(what + ": parameters must be an object");
  for (const dom::key_value_pair field : object) {
    const std::string name(field.key);
    PENSTOCK_ASSIGN_OR_RETURN(Parameter parameter, read_parameter(name, field.value));
    if (!parameters.emplace(name, std::move(parameter)).second) {
      return wrong(what + ": parameter '" + name + "' is there twice");
    }
  }
  return parameters;
}

// Takes a parameter out, where it is there.
std::optional<Parameter> extract(Parameters& parameters, const std::string& name) {
  auto node = parameters.extract(name);
  if (node.empty()) return std::nullopt;
  return std::move(node.mapped());
}

Error take_unsigned(Parameters& parameters, const std::string& name, uint64_t& value) {
  const auto parameter = extract(parameters, name);
  if (!parameter) return {};
  if (const auto* whole = std::get_if<int64_t>(&*parameter); whole != nullptr && *whole >= 0) {
    value = static_cast<uint64_t>(*whole);
    return {};
  }
  if (const auto* large = std::get_if<uint64_t>(&*parameter)) {
    value = *large;
    return {};
  }
  return wrong("parameter '" + name + "' must be a whole number, not negative");
}

Error take_bool(Parameters& parameters, const std::string& name, bool& value) {
  const auto parameter = extract(parameters, name);
  if (!parameter) return {};
  const auto* truth = std::get_if<bool>(&*parameter);
  if (truth == nullptr) return wrong("parameter '" + name + "' must be a boolean");
  value = *truth;
  return {};
}

Answer<Shape> read_shape(dom::object object, const std::string& what) {
  dom::array extents;
  if (object["shape"].get(extents) != simdjson::SUCCESS) {
    return wrong(what + " has no shape, an array of whole numbers");
  }
  constexpr size_t kMostAxes = 64;
  Shape shape;
  for (const dom::element extent : extents) {
    int64_t value = 0;
    if (extent.get(value) != simdjson::SUCCESS || value < 0 || shape.size() == kMostAxes) {
      return wrong(what + ": its shape must be an array of whole numbers, not negative");
    }
    shape.push_back(value);
  }
  return shape;
}

// A binary tensor where it lies, where its elements may lie there.
Error read_binary(std::string_view bytes, TensorView& tensor, ParsedInference& parsed) {
  if (tensor.dtype == DataType::kString) {
    auto strings = parse_strings(bytes, element_count(tensor.shape));
    if (!strings.is_ok()) {
      return wrong("input '" + tensor.name + "': " + strings.status().message());
    }
    auto elements = std::make_shared<std::vector<StringRef>>(*std::move(strings));
    tensor.data = elements->data();
    tensor.bytes = elements->size() * sizeof(StringRef);
    parsed.memory.push_back(std::move(elements));
    return {};
  }
  tensor.data = bytes.data();
  tensor.bytes = bytes.size();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % size_of(tensor.dtype) == 0) return {};
  std::shared_ptr<std::byte> memory = BufferPool::shared()->take(bytes.size());
  if (memory == nullptr) return {ErrorCode::kUnavailable, "no memory for the request's tensors"};
  std::memcpy(memory.get(), bytes.data(), bytes.size());
  tensor.data = memory.get();
  parsed.memory.push_back(std::move(memory));
  return {};
}

Error read_input(dom::element element, BinaryPart& binary, ParsedInference& parsed) {
  dom::object object;
  std::string_view text;
  if (element.get(object) != simdjson::SUCCESS) return wrong("each of inputs must be an object");
  if (object["name"].get(text) != simdjson::SUCCESS) return wrong("an input has no name");
  TensorView tensor;
  tensor.name = text;
  const std::string what = "input '" + tensor.name + "'";
  if (object["datatype"].get(text) != simdjson::SUCCESS) return wrong(what + " has no datatype");
  tensor.dtype = parse_wire_name(text);
  if (tensor.dtype == DataType::kUndefined) {
    return wrong(fmt::format("{} has the unknown datatype '{}'", what, text));
  }
  PENSTOCK_ASSIGN_OR_RETURN(tensor.shape, read_shape(object, what));
  PENSTOCK_ASSIGN_OR_RETURN(Parameters parameters, read_parameters(object, what));
  if (parameters.count("shared_memory_region") > 0) {
    return {ErrorCode::kUnsupported, what + ": shared memory is not enabled on this server"};
  }
  const bool is_binary = parameters.count("binary_data_size") > 0;
  dom::element data;
  const bool has_data = object["data"].get(data) == simdjson::SUCCESS;
  if (is_binary == has_data) {
    return wrong(what + (has_data ? " has both data and binary_data_size"
                                  : " has neither data nor binary_data_size"));
  }
  if (is_binary) {
    uint64_t size = 0;
    PENSTOCK_RETURN_IF_REFUSED(take_unsigned(parameters, "binary_data_size", size));
    PENSTOCK_ASSIGN_OR_RETURN(const std::string_view bytes, binary.take(size, what));
    PENSTOCK_RETURN_IF_REFUSED(read_binary(bytes, tensor, parsed));
  } else {
    dom::array array;
    if (data.get(array) != simdjson::SUCCESS) return wrong(what + ": data must be an array");
    std::shared_ptr<const void> memory;
    PENSTOCK_RETURN_IF_REFUSED(read_json_tensor(array, tensor, memory));
    parsed.memory.push_back(std::move(memory));
  }
  parsed.inputs.push_back(std::move(tensor));
  return {};
}

Error read_output(dom::element element, ParsedInference& parsed) {
  dom::object object;
  std::string_view name;
  if (element.get(object) != simdjson::SUCCESS) return wrong("each of outputs must be an object");
  if (object["name"].get(name) != simdjson::SUCCESS) return wrong("an output has no name");
  const std::string what = "output '" + std::string(name) + "'";
  PENSTOCK_ASSIGN_OR_RETURN(Parameters parameters, read_parameters(object, what));
  if (parameters.count("shared_memory_region") > 0) {
    return {ErrorCode::kUnsupported, what + ": shared memory is not enabled on this server"};
  }
  uint64_t classes = 0;
  PENSTOCK_RETURN_IF_REFUSED(take_unsigned(parameters, "classification", classes));
  bool is_binary = parsed.is_binary_by_default;
  PENSTOCK_RETURN_IF_REFUSED(take_bool(parameters, "binary_data", is_binary));
  const auto most = std::numeric_limits<uint32_t>::max();
  parsed.outputs.push_back(
      {std::string(name), static_cast<uint32_t>(std::min<uint64_t>(classes, most))});
  parsed.is_binary.push_back(is_binary);
  return {};
}

Error read_request_parameters(dom::object root, ParsedInference& parsed) {
  PENSTOCK_ASSIGN_OR_RETURN(Parameters parameters, read_parameters(root, "the request"));
  PENSTOCK_RETURN_IF_REFUSED(
      take_bool(parameters, "binary_data_output", parsed.is_binary_by_default));
  PENSTOCK_RETURN_IF_REFUSED(take_unsigned(parameters, "priority", parsed.priority));
  PENSTOCK_RETURN_IF_REFUSED(take_unsigned(parameters, "timeout", parsed.timeout_us));
  PENSTOCK_RETURN_IF_REFUSED(take_bool(parameters, "sequence_start", parsed.sequence_start));
  PENSTOCK_RETURN_IF_REFUSED(take_bool(parameters, "sequence_end", parsed.sequence_end));
  if (const auto found = parameters.find("sequence_id"); found != parameters.end()) {
    if (auto* text = std::get_if<std::string>(&found->second)) {
      parsed.sequence_id = std::move(*text);
      parameters.erase(found);
    } else {
      uint64_t id = 0;
      PENSTOCK_RETURN_IF_REFUSED(take_unsigned(parameters, "sequence_id", id));
      parsed.sequence_id = id;
    }
  }
  for (const auto& [name, value] : parameters) {
    if (name.starts_with("triton_")) {
      return wrong("parameter '" + name + "' is reserved: names may not begin with 'triton_'");
    }
  }
  parsed.parameters = std::move(parameters);
  return {};
}

Error read_document(dom::element document, BinaryPart& binary, ParsedInference& parsed) {
  dom::object root;
  if (document.get(root) != simdjson::SUCCESS) return wrong("the request must be a JSON object");
  dom::element value;
  if (root["id"].get(value) == simdjson::SUCCESS) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return wrong("id must be a string");
    parsed.id = text;
  }
  PENSTOCK_RETURN_IF_REFUSED(read_request_parameters(root, parsed));
  dom::array inputs;
  if (root["inputs"].get(inputs) != simdjson::SUCCESS) {
    return wrong("the request has no inputs, an array of objects");
  }
  for (const dom::element input : inputs) {
    PENSTOCK_RETURN_IF_REFUSED(read_input(input, binary, parsed));
  }
  if (root["outputs"].get(value) == simdjson::SUCCESS) {
    dom::array outputs;
    if (value.get(outputs) != simdjson::SUCCESS) return wrong("outputs must be an array");
    for (const dom::element output : outputs) {
      PENSTOCK_RETURN_IF_REFUSED(read_output(output, parsed));
    }
  }
  if (binary.left() == 0) return {};
  return wrong(fmt::format("{} bytes behind the last binary input are left over", binary.left()));
}

}  // namespace

Answer<ParsedInference> parse_inference(std::string_view body, std::optional<uint64_t> json_length,
                                        const Limits& limits) {
  if (json_length.has_value() && *json_length > body.size()) {
    return wrong(fmt::format("Inference-Header-Content-Length is {}, the body has {} bytes",
                             *json_length, body.size()));
  }
  const size_t length = json_length.has_value() ? static_cast<size_t>(*json_length) : body.size();
  ParsedInference parsed;
  BinaryPart binary(body.substr(length));
  JsonDocument document;
  PENSTOCK_ASSIGN_OR_RETURN(const dom::element root,
                            document.parse(body.substr(0, length), limits.json_depth));
  PENSTOCK_RETURN_IF_REFUSED(read_document(root, binary, parsed));
  return parsed;
}

}  // namespace penstock::serve::http
