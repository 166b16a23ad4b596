// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/mapped_file.h"

namespace penstock::importer {

// The files beside a model that hold its weights, each mapped once.
class ExternalData {
 public:
  explicit ExternalData(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // The file of that relative name. An error for a name that leads out of the folder, by "..", by
  // an absolute path or by a symbolic link: a model must not read the files of its user.
  Result<std::shared_ptr<const MappedFile>> file(const std::string& location);

 private:
  Result<std::filesystem::path> resolve(const std::string& location) const;

  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> files_;
};

}  // namespace penstock::importer
