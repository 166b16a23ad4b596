// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace penstock::serve {

enum class LogLevel { kError, kWarning, kInfo, kVerbose };
enum class LogFormat { kText, kJson };

// A line of an event and its facts, on stderr or in a file. Values come from clients too: they are
// quoted and escaped, so that none of them can look like a line of its own.
class Log {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  static Log& shared();

  void write(LogLevel level, std::string_view event, Fields fields = {});
  bool is_on(LogLevel level) const { return switches_[static_cast<size_t>(level)].load(); }
  void set_on(LogLevel level, bool on) { switches_[static_cast<size_t>(level)].store(on); }
  void set_format(LogFormat format) { format_.store(format); }
  LogFormat format() const { return format_.load(); }

 private:
  std::atomic<bool> switches_[4] = {true, true, true, false};
  std::atomic<LogFormat> format_{LogFormat::kText};
};

inline void log_error(std::string_view event, Log::Fields fields = {}) {
  Log::shared().write(LogLevel::kError, event, fields);
}
inline void log_warning(std::string_view event, Log::Fields fields = {}) {
  Log::shared().write(LogLevel::kWarning, event, fields);
}
inline void log_info(std::string_view event, Log::Fields fields = {}) {
  Log::shared().write(LogLevel::kInfo, event, fields);
}
inline void log_verbose(std::string_view event, Log::Fields fields = {}) {
  Log::shared().write(LogLevel::kVerbose, event, fields);
}

}  // namespace penstock::serve
