// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace penstock {

NewFile::NewFile(const std::filesystem::path& path) : path_(path) {
  temporary_ = path.string() + ".tmp" + std::to_string(::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) error_ = errno;
}

NewFile::~NewFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (descriptor_ >= 0 || created_) ::unlink(temporary_.c_str());
}

void NewFile::write(const void* data, uint64_t bytes) {
  const char* cursor = static_cast<const char*>(data);
  while (error_ == 0 && bytes > 0) {
    const ssize_t written = ::write(descriptor_, cursor, std::min<uint64_t>(bytes, 1U << 30));
    if (written < 0) {
      if (errno == EINTR) continue;
      error_ = errno;
      return;
    }
    cursor += written;
    bytes -= static_cast<uint64_t>(written);
    position_ += static_cast<uint64_t>(written);
  }
}

void NewFile::pad_to(uint64_t offset) {
  static constexpr std::array<char, 4096> kZeros = {};
  while (error_ == 0 && position_ < offset) {
    write(kZeros.data(), std::min<uint64_t>(kZeros.size(), offset - position_));
  }
}

void NewFile::rewrite_begin(const void* data, uint64_t bytes) {
  const char* cursor = static_cast<const char*>(data);
  uint64_t done = 0;
  while (error_ == 0 && done < bytes) {
    const ssize_t written =
        ::pwrite(descriptor_, cursor + done, bytes - done, static_cast<off_t>(done));
    if (written >= 0) {
      done += static_cast<uint64_t>(written);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
}

Status NewFile::status() const {
  if (error_ == 0) return Status::ok();
  return {StatusCode::kIoError, "cannot write '" + path_.string() + "': " + std::strerror(error_)};
}

Status NewFile::commit() {
  if (error_ == 0 && ::close(descriptor_) != 0) error_ = errno;
  if (error_ == 0) {
    descriptor_ = -1;
    created_ = true;
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
      error_ = errno;
    } else {
      created_ = false;
    }
  }
  return status();
}

}  // namespace penstock
