// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "serve/message_json.h"

namespace penstock::serve {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"error", "warning", "info", "verbose"};

std::string now() {
  const auto time = std::chrono::system_clock::now();
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)), millis);
}

bool is_plain(std::string_view value) {
  const auto is_plain_character = [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '=';
  };
  return !value.empty() && std::all_of(value.begin(), value.end(), is_plain_character);
}

std::string text_line(LogLevel level, std::string_view event, Log::Fields fields) {
  std::string line = fmt::format("{} {:<7} {}", now(), kNames[static_cast<size_t>(level)], event);
  for (const auto& [name, value] : fields) {
    line += ' ';
    line += name;
    line += '=';
    if (is_plain(value)) {
      line += value;
    } else {
      append_json_string(value, line);
    }
  }
  return line;
}

std::string json_line(LogLevel level, std::string_view event, Log::Fields fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":)", now(),
                                 kNames[static_cast<size_t>(level)]);
  append_json_string(event, line);
  for (const auto& [name, value] : fields) {
    line += ',';
    append_json_string(name, line);
    line += ':';
    append_json_string(value, line);
  }
  return line + "}";
}

}  // namespace

Log& Log::shared() {
  static Log log;
  return log;
}

void Log::write(LogLevel level, std::string_view event, Fields fields) {
  if (!is_on(level)) return;
  std::string line = format() == LogFormat::kJson ? json_line(level, event, fields)
                                                  : text_line(level, event, fields);
  line += '\n';
  // One call: lines of several threads do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace penstock::serve
