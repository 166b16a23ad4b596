// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/model_folder.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/mapped_file.h"
#include "serve/model_config.h"

namespace penstock::serve {
namespace {

namespace fs = std::filesystem;

uint64_t hash(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// What this server writes beside models.
bool is_own_file(const std::string& name) {
  return name.find(".onnx.") != std::string::npos ||
         name.find("penstock.timing") != std::string::npos;
}

Result<std::string> read_text(const fs::path& file) {
  constexpr uintmax_t kMostBytes = 16 << 20;
  std::error_code error;
  if (fs::file_size(file, error) > kMostBytes || error) {
    return Status(StatusCode::kIoError, "'" + file.string() + "' is no readable configuration");
  }
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) return Status(StatusCode::kIoError, "cannot read '" + file.string() + "'");
  return text.str();
}

// configs/NAME.pbtxt, config.pbtxt, or nothing.
fs::path config_file(const fs::path& folder, const ServerOptions& options) {
  std::error_code ignored;
  if (!options.model_config_name.empty()) {
    fs::path own = folder / "configs" / (options.model_config_name + ".pbtxt");
    if (fs::is_regular_file(own, ignored)) return own;
  }
  fs::path usual = folder / "config.pbtxt";
  return fs::is_regular_file(usual, ignored) ? usual : fs::path();
}

std::vector<int64_t> list_versions(const fs::path& folder) {
  std::vector<int64_t> versions;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const int64_t version = parse_version(entry.path().filename().string());
    if (version > 0 && entry.is_directory(ignored)) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

Result<std::vector<int64_t>> choose_versions(const inference::ModelVersionPolicy& policy,
                                             std::vector<int64_t> versions) {
  if (policy.has_all()) return versions;
  if (policy.has_specific()) {
    std::vector<int64_t> chosen;
    for (const int64_t version : policy.specific().versions()) {
      if (!std::binary_search(versions.begin(), versions.end(), version)) {
        return Status(StatusCode::kNotFound,
                      fmt::format("version_policy asks for version {}, there are [{}]", version,
                                  fmt::join(versions, ", ")));
      }
      chosen.push_back(version);
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
  }
  const size_t count = std::max<size_t>(1, policy.latest().num_versions());
  if (versions.size() > count) {
    versions.erase(versions.begin(), versions.end() - static_cast<std::ptrdiff_t>(count));
  }
  return versions;
}

uint64_t label_stamp(const inference::ModelConfig& config, const fs::path& folder, uint64_t seed) {
  for (const auto& output : config.output()) {
    if (output.label_filename().empty()) continue;
    std::error_code ignored;
    const fs::path file = folder / output.label_filename();
    const auto time = fs::last_write_time(file, ignored).time_since_epoch().count();
    seed = hash(
        fmt::format("{} {} {}", output.label_filename(), time, fs::file_size(file, ignored)), seed);
  }
  return seed;
}

}  // namespace

bool is_model_name(const std::string& name) {
  constexpr size_t kLongest = 255;
  const auto is_allowed = [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '/'; };
  return !name.empty() && name.size() <= kLongest && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_allowed);
}

int64_t parse_version(const std::string& text) {
  int64_t version = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), version);
  const bool is_whole = end.ec == std::errc() && end.ptr == text.data() + text.size();
  return is_whole && version > 0 && text.front() != '0' ? version : 0;
}

Result<std::map<std::string, std::vector<fs::path>>> list_models(const ServerOptions& options) {
  std::map<std::string, std::vector<fs::path>> models;
  for (const fs::path& repository : options.repositories) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(repository, error)) {
      const std::string name = entry.path().filename().string();
      std::error_code ignored;
      if (is_model_name(name) && entry.is_directory(ignored)) models[name].push_back(entry.path());
    }
    if (error) {
      return Status(StatusCode::kNotFound, "cannot read the model repository '" +
                                               repository.string() + "': " + error.message());
    }
  }
  return models;
}

Result<ModelFolder> read_model_folder(const std::string& name, const fs::path& path,
                                      const ServerOptions& options,
                                      const std::string& override_json) {
  ModelFolder folder;
  folder.path = path;
  const fs::path file = config_file(path, options);
  std::string text = override_json;
  if (!override_json.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(folder.config, parse_config_json(text));
  } else if (!file.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(text, read_text(file));
    const std::string shown = (path.filename() / file.lexically_relative(path)).string();
    PENSTOCK_ASSIGN_OR_RETURN(folder.config, parse_config_text(text, shown));
  } else if (!options.auto_complete) {
    return Status(StatusCode::kNotFound, "model '" + name + "' has no config.pbtxt");
  }
  PENSTOCK_RETURN_IF_ERROR(check_config(folder.config, name));
  PENSTOCK_ASSIGN_OR_RETURN(folder.versions,
                            choose_versions(folder.config.version_policy(), list_versions(path)));
  if (folder.versions.empty()) {
    return Status(StatusCode::kNotFound, "model '" + name +
                                             "' has no version: make a folder '1' with the file "
                                             "model.onnx in it");
  }
  folder.config_stamp = label_stamp(folder.config, path, hash(text, 0));
  return folder;
}

Result<uint64_t> version_stamp(const fs::path& version_folder, const fs::path& model_file) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto file, MappedFile::open(model_file));
  const uint64_t stamp = XXH3_64bits(file->data().data(), file->size());
  std::vector<std::string> others;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(version_folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (is_own_file(name) || name == model_file.filename()) continue;
    others.push_back(fmt::format("{} {} {}", name, entry.file_size(ignored),
                                 entry.last_write_time(ignored).time_since_epoch().count()));
  }
  std::sort(others.begin(), others.end());
  return hash(fmt::format("{}", fmt::join(others, "\n")), stamp);
}

uint64_t folder_stamp(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (is_own_file(name)) continue;
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      files.push_back(entry->path().string());
      continue;
    }
    files.push_back(fmt::format("{} {} {}", entry->path().string(), entry->file_size(ignored),
                                entry->last_write_time(ignored).time_since_epoch().count()));
  }
  std::sort(files.begin(), files.end());
  return hash(fmt::format("{}", fmt::join(files, "\n")), 0);
}

}  // namespace penstock::serve
