// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <filesystem>
#include <string>

namespace penstock {

// A file under a temporary name that is deleted unless committed.
class NewFile {
 public:
  explicit NewFile(const std::filesystem::path& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(const void* data, uint64_t bytes);
  void pad_to(uint64_t offset);
  // Over what was written first; what is written next still goes to the end.
  void rewrite_begin(const void* data, uint64_t bytes);
  // What is written so far can be read there, where status() is OK.
  const std::string& temporary_path() const { return temporary_; }
  Status status() const;
  // Gives the file its name; or tells what went wrong first.
  Status commit();

 private:
  std::filesystem::path path_;
  std::string temporary_;
  int descriptor_ = -1;
  bool created_ = false;
  int error_ = 0;
  uint64_t position_ = 0;
};

}  // namespace penstock
