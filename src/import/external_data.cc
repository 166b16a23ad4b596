// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/external_data.h"

#include <algorithm>
#include <system_error>

namespace penstock::importer {

namespace fs = std::filesystem;

Result<std::shared_ptr<const MappedFile>> ExternalData::file(const std::string& location) {
  if (auto known = files_.find(location); known != files_.end()) return known->second;
  PENSTOCK_ASSIGN_OR_RETURN(const fs::path path, resolve(location));
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, MappedFile::open(path));
  files_.emplace(location, mapped);
  return mapped;
}

Result<fs::path> ExternalData::resolve(const std::string& location) const {
  const auto refuse = [&](const std::string& why) {
    return Status(StatusCode::kInvalidModel, "external data '" + location + "' " + why);
  };
  if (location.empty()) return refuse("has no file name");
  if (location.find('\0') != std::string::npos) return refuse("has a NUL in its name");
  const fs::path relative = fs::path(location).lexically_normal();
  if (relative.is_absolute())
    return refuse("is an absolute path: it must be in the model's folder");
  if (*relative.begin() == "..") return refuse("is outside the model's folder");

  std::error_code error;
  const fs::path base = fs::weakly_canonical(folder_.empty() ? fs::path(".") : folder_, error);
  if (error) return refuse("cannot be found: " + error.message());
  fs::path target = fs::weakly_canonical(base / relative, error);
  if (error) return refuse("cannot be found: " + error.message());
  const auto [base_end, target_end] =
      std::mismatch(base.begin(), base.end(), target.begin(), target.end());
  if (base_end != base.end()) {
    return refuse("is a link that leaves the model's folder: copy the file into the folder");
  }
  return target;
}

}  // namespace penstock::importer
