// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/timing_cache.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace penstock::tune {
namespace {

constexpr const char* kFormat = "penstock timing cache";
constexpr int kVersion = 1;

Status unreadable(const std::filesystem::path& path, const std::string& why) {
  return {StatusCode::kInvalidArgument,
          "timing cache '" + path.string() + "' " + why + "; delete it or name another file"};
}

}  // namespace

Result<TimingCache> TimingCache::load(const std::filesystem::path& path) {
  TimingCache cache;
  cache.path_ = path;
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error)) return cache;
  std::ifstream file(path);
  if (!file) return unreadable(path, "cannot be read: " + std::string(std::strerror(errno)));
  try {
    const nlohmann::json object = nlohmann::json::parse(file);
    if (object.value("format", "") != kFormat || object.value("version", 0) != kVersion) {
      return unreadable(path, "is not a timing cache of this version");
    }
    cache.times_ = object.at("microseconds").get<std::map<std::string, double>>();
  } catch (const nlohmann::json::exception&) {
    return unreadable(path, "is broken");
  }
  return cache;
}

Status TimingCache::save() const {
  if (path_.empty() || !changed_) return Status::ok();
  const nlohmann::json object = {
      {"format", kFormat}, {"version", kVersion}, {"microseconds", times_}};
  const std::string temporary = path_.string() + ".tmp" + std::to_string(::getpid());
  std::error_code error;
  {
    std::ofstream file(temporary);
    file << object.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    file.flush();
    if (!file) {
      const std::string why = std::strerror(errno);
      std::filesystem::remove(temporary, error);
      return {StatusCode::kIoError, "cannot write timing cache '" + path_.string() + "': " + why};
    }
  }
  std::filesystem::rename(temporary, path_, error);
  if (!error) return Status::ok();
  std::filesystem::remove(temporary);
  return {StatusCode::kIoError,
          "cannot write timing cache '" + path_.string() + "': " + error.message()};
}

std::optional<double> TimingCache::find(const std::string& key) const {
  auto it = times_.find(key);
  if (it == times_.end()) return std::nullopt;
  return it->second;
}

void TimingCache::insert(const std::string& key, double microseconds) {
  times_[key] = microseconds;
  changed_ = true;
}

}  // namespace penstock::tune
