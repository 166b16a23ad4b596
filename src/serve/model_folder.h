// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What lies in the folders of a repository, in Triton's layout.
#pragma once

#include <penstock/status.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "serve/options.h"
#include "serve/protos/model_config.pb.h"

namespace penstock::serve {

// A model's name may become part of a path only if this says so: one component, no "." in front.
bool is_model_name(const std::string& name);

// A decimal number above 0 that fits 63 bits, without zeros in front; 0 for any other text.
int64_t parse_version(const std::string& text);

// Folders of models in all repositories: name -> folders.
Result<std::map<std::string, std::vector<std::filesystem::path>>> list_models(
    const ServerOptions& options);

// What a model's folder says, before any file of a model is opened.
struct ModelFolder {
  std::filesystem::path path;
  inference::ModelConfig config;  // checked
  std::vector<int64_t> versions;  // that the version policy wants, ascending
  uint64_t config_stamp = 0;      // changes with the configuration and its labels
};

// `override_json`, where it is not empty, stands in place of the configuration file.
Result<ModelFolder> read_model_folder(const std::string& name, const std::filesystem::path& path,
                                      const ServerOptions& options,
                                      const std::string& override_json);

// Changes with the contents of the files of a version.
Result<uint64_t> version_stamp(const std::filesystem::path& version_folder,
                               const std::filesystem::path& model_file);

// Changes with names, sizes and times of all files of a model, plans that were cached apart.
uint64_t folder_stamp(const std::filesystem::path& folder);

}  // namespace penstock::serve
