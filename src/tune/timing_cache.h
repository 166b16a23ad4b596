// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace penstock::tune {

// Measured times, kept between builds: (machine, node, tactic) -> microseconds. With a cache that
// holds all it needs, a build measures nothing and gives the same bytes each time.
class TimingCache {
 public:
  // An absent file is an empty cache. A broken or foreign one is an error: it is somebody's file.
  static Result<TimingCache> load(const std::filesystem::path& path);
  // Replaces the file in one step. Nothing where no path was given or nothing is new.
  Status save() const;

  std::optional<double> find(const std::string& key) const;
  void insert(const std::string& key, double microseconds);
  size_t size() const { return times_.size(); }

 private:
  std::filesystem::path path_;
  std::map<std::string, double> times_;
  bool changed_ = false;
};

}  // namespace penstock::tune
