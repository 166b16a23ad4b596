// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/api.h"

#include <fmt/format.h>

#include "serve/base64.h"
#include "serve/http/compression.h"
#include "serve/http/infer_call.h"
#include "serve/http/json_document.h"
#include "serve/message_json.h"

namespace penstock::serve::http {
namespace {

namespace dom = simdjson::dom;

Response json_response(const google::protobuf::Message& message) {
  Response response;
  response.text = to_json(message);
  return response;
}

template <typename Message>
Response json_response(const Answer<Message>& answer) {
  return answer.is_ok() ? json_response(*answer) : error_response(answer.status());
}

Response empty_response(int status) {
  Response response;
  response.status = status;
  return response;
}

bool allows(Endpoint endpoint, Method method) {
  switch (endpoint) {
    case Endpoint::kInfer:
    case Endpoint::kGenerate:
    case Endpoint::kRepositoryIndex:
    case Endpoint::kRepositoryLoad:
    case Endpoint::kRepositoryUnload: return method == Method::kPost;
    case Endpoint::kTraceSetting:
    case Endpoint::kLogging:
    case Endpoint::kSharedMemory: return method != Method::kOther;
    default: return method == Method::kGet;
  }
}

Error wrong(std::string text) { return {ErrorCode::kInvalidArgument, std::move(text)}; }

// An empty body is an empty object.
Answer<dom::object> read_object(const Request& request, JsonDocument& document,
                                const Limits& limits) {
  static const simdjson::padded_string kEmpty(std::string_view("{}"));
  const std::string_view text = request.body.empty() ? std::string_view(kEmpty) : request.body;
  PENSTOCK_ASSIGN_OR_RETURN(const dom::element root, document.parse(text, limits.json_depth));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return wrong("the request must be a JSON object");
  return object;
}

Answer<inference::RepositoryModelLoadRequest> read_load(const Route& route, const Request& request,
                                                        const Limits& limits) {
  inference::RepositoryModelLoadRequest load;
  load.set_model_name(route.model);
  load.set_repository_name(route.repository);
  JsonDocument document;
  PENSTOCK_ASSIGN_OR_RETURN(const dom::object root, read_object(request, document, limits));
  dom::object parameters;
  if (root["parameters"].get(parameters) != simdjson::SUCCESS) return load;
  for (const dom::key_value_pair field : parameters) {
    const std::string name(field.key);
    std::string_view text;
    if (field.value.get(text) != simdjson::SUCCESS) {
      return wrong("load parameter '" + name + "' must be a string");
    }
    auto& parameter = (*load.mutable_parameters())[name];
    if (!name.starts_with("file:")) {
      parameter.set_string_param(std::string(text));
      continue;
    }
    const std::optional<std::string> bytes = decode_base64(text);
    if (!bytes) return wrong("load parameter '" + name + "' is no base64");
    parameter.set_bytes_param(*bytes);
  }
  return load;
}

Error read_log_setting(const dom::key_value_pair& field,
                       inference::LogSettingsRequest::SettingValue& setting) {
  bool truth = false;
  uint64_t number = 0;
  std::string_view text;
  if (field.value.get(truth) == simdjson::SUCCESS) {
    setting.set_bool_param(truth);
  } else if (field.value.get(number) == simdjson::SUCCESS && number <= UINT32_MAX) {
    setting.set_uint32_param(static_cast<uint32_t>(number));
  } else if (field.value.get(text) == simdjson::SUCCESS) {
    setting.set_string_param(std::string(text));
  } else {
    return wrong("log setting '" + std::string(field.key) +
                 "' must be a boolean, a number or a string");
  }
  return {};
}

// A value or an array of them; null is the default, which is what there is.
Error read_trace_setting(const dom::key_value_pair& field,
                         inference::TraceSettingRequest::SettingValue& setting) {
  const auto add = [&](dom::element element) {
    std::string_view text;
    if (element.get(text) == simdjson::SUCCESS) {
      setting.add_value(std::string(text));
    } else {
      setting.add_value(simdjson::minify(element));
    }
  };
  dom::array array;
  if (field.value.is_null()) return {};
  if (field.value.get(array) != simdjson::SUCCESS) {
    add(field.value);
    return {};
  }
  for (const dom::element element : array) add(element);
  return {};
}

// Settings are a flat object, a value or an array of them for each.
template <typename Settings>
Response settings_response(const Settings& settings) {
  Response response;
  std::string& json = response.text;
  json = "{";
  for (const auto& [name, value] : settings) {
    if (json.size() > 1) json += ',';
    append_json_string(name, json);
    json += ':';
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, inference::LogSettingsResponse::SettingValue>) {
      if (value.has_bool_param()) json += value.bool_param() ? "true" : "false";
      if (value.has_uint32_param()) json += std::to_string(value.uint32_param());
      if (value.has_string_param()) append_json_string(value.string_param(), json);
    } else if (name == "trace_level") {
      json += '[';
      for (int i = 0; i < value.value_size(); ++i) {
        if (i > 0) json += ',';
        append_json_string(value.value(i), json);
      }
      json += ']';
    } else {
      append_json_string(value.value_size() > 0 ? value.value(0) : "", json);
    }
  }
  json += '}';
  return response;
}

}  // namespace

Response error_response(const Error& error) {
  Response response;
  response.status = error.http_status();
  response.text = "{\"error\":";
  append_json_string(error.message(), response.text);
  response.text += '}';
  return response;
}

void Api::handle(Request request, std::shared_ptr<Exchange> exchange) {
  const std::optional<Route> route = find_route(request.head.target);
  if (!route) {
    return exchange->respond(error_response(
        {ErrorCode::kNotFound, "there is no such endpoint: " + request.head.target}));
  }
  if (!allows(route->endpoint, request.head.method)) {
    Response response = error_response(wrong("this endpoint does not take this method"));
    response.status = 405;
    return exchange->respond(std::move(response));
  }
  if (const auto encoding = parse_encoding(request.head.content_encoding); !encoding) {
    Response response =
        error_response({ErrorCode::kUnsupported, "Content-Encoding must be gzip, deflate or none"});
    response.fields = "Accept-Encoding: gzip, deflate\r\n";
    return exchange->respond(std::move(response));
  } else if (*encoding != Encoding::kIdentity && !request.body.empty()) {
    Answer<Decompressed> plain = decompress(
        request.body, *encoding, request.head.json_length.value_or(0), limits_.body_bytes);
    if (!plain.is_ok()) return exchange->respond(error_response(plain.status()));
    request.body = plain->bytes;
    request.memory = std::move(plain->memory);
  }
  switch (route->endpoint) {
    case Endpoint::kInfer: return infer(*route, std::move(request), std::move(exchange));
    case Endpoint::kRepositoryLoad: return load(*route, request, std::move(exchange));
    case Endpoint::kRepositoryUnload: return unload(*route, request, std::move(exchange));
    default: return exchange->respond(answer(*route, request));
  }
}

Response Api::answer(const Route& route, const Request& request) {
  switch (route.endpoint) {
    case Endpoint::kServerMetadata: return json_response(server_.metadata());
    case Endpoint::kLive: return empty_response(server_.is_live() ? 200 : 400);
    case Endpoint::kReady: return empty_response(server_.is_ready() ? 200 : 400);
    case Endpoint::kModelReady: {
      const Answer<bool> ready = server_.is_model_ready(route.model, route.version);
      return empty_response(ready.is_ok() && *ready ? 200 : 400);
    }
    case Endpoint::kModelMetadata:
      return json_response(server_.model_metadata(route.model, route.version));
    case Endpoint::kModelConfig:
      return json_response(server_.model_config(route.model, route.version));
    case Endpoint::kModelStatistics:
      return json_response(server_.statistics(route.model, route.version));
    case Endpoint::kRepositoryIndex: return index(route, request);
    case Endpoint::kTraceSetting: return trace(route, request);
    case Endpoint::kLogging: return logging(request);
    case Endpoint::kGenerate:
      return error_response({ErrorCode::kUnsupported,
                             "generate is for models with one string in and one out, step by step; "
                             "this server has none"});
    case Endpoint::kSharedMemory:
      return error_response(
          {ErrorCode::kUnsupported, "shared memory is not enabled on this server"});
    default: return error_response({ErrorCode::kInternal, "no answer"});
  }
}

Response Api::index(const Route& route, const Request& request) {
  inference::RepositoryIndexRequest index;
  index.set_repository_name(route.repository);
  JsonDocument document;
  const Answer<dom::object> root = read_object(request, document, limits_);
  if (!root.is_ok()) return error_response(root.status());
  dom::element ready;
  if ((*root)["ready"].get(ready) == simdjson::SUCCESS) {
    bool only_ready = false;
    if (ready.get(only_ready) != simdjson::SUCCESS) {
      return error_response(wrong("ready must be a boolean"));
    }
    index.set_ready(only_ready);
  }
  const Answer<inference::RepositoryIndexResponse> answer = server_.index(index);
  if (!answer.is_ok()) return error_response(answer.status());
  // A plain array: the models alone.
  Response response;
  response.text = "[";
  for (const auto& model : answer->models()) {
    if (response.text.size() > 1) response.text += ',';
    std::string& json = response.text;
    json += "{\"name\":";
    append_json_string(model.name(), json);
    const auto add = [&](std::string_view name, const std::string& value) {
      if (value.empty()) return;
      json += fmt::format(",\"{}\":", name);
      append_json_string(value, json);
    };
    add("version", model.version());
    add("state", model.state());
    add("reason", model.reason());
    json += '}';
  }
  response.text += ']';
  return response;
}

void Api::load(const Route& route, const Request& request, std::shared_ptr<Exchange> exchange) {
  const Answer<inference::RepositoryModelLoadRequest> load = read_load(route, request, limits_);
  if (!load.is_ok()) return exchange->respond(error_response(load.status()));
  server_.load_model(*load, [exchange = std::move(exchange)](const Error& error) {
    exchange->respond(error.is_ok() ? empty_response(200) : error_response(error));
  });
}

void Api::unload(const Route& route, const Request& request, std::shared_ptr<Exchange> exchange) {
  // Its only parameter is for ensembles' parts.
  JsonDocument document;
  const Answer<dom::object> root = read_object(request, document, limits_);
  if (!root.is_ok()) return exchange->respond(error_response(root.status()));
  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name(route.model);
  unload.set_repository_name(route.repository);
  server_.unload_model(unload, [exchange = std::move(exchange)](const Error& error) {
    exchange->respond(error.is_ok() ? empty_response(200) : error_response(error));
  });
}

Response Api::trace(const Route& route, const Request& request) {
  inference::TraceSettingRequest trace;
  trace.set_model_name(route.model);
  JsonDocument document;
  const Answer<dom::object> root = read_object(request, document, limits_);
  if (!root.is_ok()) return error_response(root.status());
  for (const dom::key_value_pair field : *root) {
    auto& setting = (*trace.mutable_settings())[std::string(field.key)];
    if (const Error error = read_trace_setting(field, setting); !error.is_ok()) {
      return error_response(error);
    }
  }
  const Answer<inference::TraceSettingResponse> answer = server_.trace_setting(trace);
  return answer.is_ok() ? settings_response(answer->settings()) : error_response(answer.status());
}

Response Api::logging(const Request& request) {
  inference::LogSettingsRequest settings;
  JsonDocument document;
  const Answer<dom::object> root = read_object(request, document, limits_);
  if (!root.is_ok()) return error_response(root.status());
  for (const dom::key_value_pair field : *root) {
    auto& setting = (*settings.mutable_settings())[std::string(field.key)];
    if (const Error error = read_log_setting(field, setting); !error.is_ok()) {
      return error_response(error);
    }
  }
  const Answer<inference::LogSettingsResponse> answer = server_.log_settings(settings);
  return answer.is_ok() ? settings_response(answer->settings()) : error_response(answer.status());
}

void Api::infer(const Route& route, Request request, std::shared_ptr<Exchange> exchange) {
  start_inference(server_, route.model, route.version, std::move(request), limits_,
                  std::move(exchange));
}

void MetricsApi::handle(Request request, std::shared_ptr<Exchange> exchange) {
  Response response;
  if (request.head.method != Method::kGet || request.head.target != "/metrics") {
    return exchange->respond(
        error_response({ErrorCode::kNotFound, "GET /metrics is all there is"}));
  }
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.text = server_.metrics();
  exchange->respond(std::move(response));
}

}  // namespace penstock::serve::http
