// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace penstock {

// A whole file as read-only memory, unmapped with the last reference. Its pages are shared with
// other processes that map the same file. The file must not shrink while it is mapped.
class MappedFile {
 public:
  // kNotFound where there is no such file, kIoError (with the system's reason) where it cannot be
  // read or is not a regular file. Messages name the path.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Page-aligned; empty for an empty file.
  std::span<const std::byte> data() const { return data_; }
  size_t size() const { return data_.size(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> data);

  std::filesystem::path path_;
  std::span<const std::byte> data_;
};

}  // namespace penstock
