// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace penstock {
namespace {

Status system_error(const std::filesystem::path& path, const char* what, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  return {
      missing ? StatusCode::kNotFound : StatusCode::kIoError,
      std::string(what) + " '" + path.string() + "': " + std::generic_category().message(error)};
}

// Closes the descriptor on every way out: a mapping outlives it.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO must answer an error, not wait for a writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_error(path, "cannot open", errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return system_error(path, "cannot read", errno);
  if (!S_ISREG(facts.st_mode)) {
    return Status(StatusCode::kIoError,
                  "cannot read '" + path.string() + "': it is " +
                      (S_ISDIR(facts.st_mode) ? "a directory" : "not a regular file"));
  }
  const auto size = static_cast<size_t>(facts.st_size);
  std::span<const std::byte> data;
  if (size != 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (address == MAP_FAILED) return system_error(path, "cannot map", errno);
    data = {static_cast<const std::byte*>(address), size};
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data));
}

MappedFile::MappedFile(std::filesystem::path path, std::span<const std::byte> data)
    : path_(std::move(path)), data_(data) {}

MappedFile::~MappedFile() {
  if (!data_.empty()) ::munmap(const_cast<std::byte*>(data_.data()), data_.size());
}

}  // namespace penstock
