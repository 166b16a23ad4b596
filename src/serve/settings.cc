// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/settings.h"

#include <map>

#include "serve/log.h"

namespace penstock::serve {
namespace {

const std::map<std::string, std::string>& trace_defaults() {
  static const std::map<std::string, std::string> defaults = {
      {"trace_file", ""},    {"trace_level", "OFF"}, {"trace_rate", "1000"},
      {"trace_count", "-1"}, {"log_frequency", "0"}, {"trace_mode", "triton"}};
  return defaults;
}

Error wrong(std::string text) { return {ErrorCode::kInvalidArgument, std::move(text)}; }

using LogValue = inference::LogSettingsRequest::SettingValue;

Error check_log_setting(const std::string& name, const LogValue& value) {
  if (name == "log_info" || name == "log_warning" || name == "log_error") {
    return value.has_bool_param() ? Error() : wrong("log setting '" + name + "' must be a boolean");
  }
  if (name == "log_verbose_level") {
    return value.has_uint32_param() ? Error()
                                    : wrong("log setting 'log_verbose_level' must be a number");
  }
  if (name == "log_format") {
    const std::string& format = value.string_param();
    const bool is_known = format == "default" || format == "ISO8601" || format == "json";
    return is_known ? Error() : wrong("log setting 'log_format' must be default, ISO8601 or json");
  }
  if (name == "log_file") {
    return {ErrorCode::kUnsupported, "log setting 'log_file' cannot be changed while serving"};
  }
  return wrong("unknown log setting '" + name +
               "'; known are log_info, log_warning, log_error, log_verbose_level and log_format");
}

void take_log_setting(const std::string& name, const LogValue& value) {
  Log& log = Log::shared();
  if (name == "log_info") log.set_on(LogLevel::kInfo, value.bool_param());
  if (name == "log_warning") log.set_on(LogLevel::kWarning, value.bool_param());
  if (name == "log_error") log.set_on(LogLevel::kError, value.bool_param());
  if (name == "log_verbose_level") log.set_on(LogLevel::kVerbose, value.uint32_param() > 0);
  if (name == "log_format") {
    log.set_format(value.string_param() == "json" ? LogFormat::kJson : LogFormat::kText);
  }
}

}  // namespace

Answer<inference::TraceSettingResponse> Settings::trace(
    const inference::TraceSettingRequest& request) const {
  for (const auto& [name, value] : request.settings()) {
    if (trace_defaults().count(name) == 0) return wrong("unknown trace setting '" + name + "'");
    if (name != "trace_level") continue;
    for (const std::string& level : value.value()) {
      if (level == "OFF") continue;
      return Error(ErrorCode::kUnsupported, "trace_level '" + level + "' is not supported");
    }
  }
  inference::TraceSettingResponse response;
  for (const auto& [name, value] : trace_defaults()) {
    (*response.mutable_settings())[name].add_value(value);
  }
  return response;
}

Answer<inference::LogSettingsResponse> Settings::log(const inference::LogSettingsRequest& request) {
  for (const auto& [name, value] : request.settings()) {
    PENSTOCK_RETURN_IF_REFUSED(check_log_setting(name, value));
  }
  for (const auto& [name, value] : request.settings()) take_log_setting(name, value);
  const Log& log = Log::shared();
  inference::LogSettingsResponse response;
  auto& settings = *response.mutable_settings();
  settings["log_file"].set_string_param("");
  settings["log_info"].set_bool_param(log.is_on(LogLevel::kInfo));
  settings["log_warning"].set_bool_param(log.is_on(LogLevel::kWarning));
  settings["log_error"].set_bool_param(log.is_on(LogLevel::kError));
  settings["log_verbose_level"].set_uint32_param(log.is_on(LogLevel::kVerbose) ? 1 : 0);
  settings["log_format"].set_string_param(log.format() == LogFormat::kJson ? "json" : "default");
  return response;
}

}  // namespace penstock::serve
