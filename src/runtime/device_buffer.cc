// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/device_buffer.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace penstock::runtime {
namespace {

std::string mebibytes(uint64_t bytes) {
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  return bytes < kMebibyte ? std::to_string(bytes) + " bytes"
                           : std::to_string(bytes / kMebibyte) + " MiB";
}

}  // namespace

uint64_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return UINT64_MAX;
  return static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes);
}

Status MemoryAccount::take(uint64_t bytes) {
  if (held_ > limit_ || bytes > limit_ - held_) {
    return {StatusCode::kOutOfMemory,
            "no memory for " + mebibytes(bytes) + ": the context holds " + mebibytes(held_) +
                " and may hold " + mebibytes(limit_) +
                "; smaller input shapes need less, and max_memory_bytes sets the limit"};
  }
  held_ += bytes;
  return Status::ok();
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : backend_(other.backend_),
      account_(other.account_),
      staging_(other.staging_),
      memory_(other.memory_),
      capacity_(other.capacity_) {
  other.memory_ = nullptr;
  other.capacity_ = 0;
}

void DeviceBuffer::release() {
  if (memory_ == nullptr) return;
  if (staging_) {
    backend_->deallocate_staging(memory_, capacity_);
  } else {
    backend_->deallocate(memory_, capacity_);
  }
  account_->give_back(capacity_);
  memory_ = nullptr;
  capacity_ = 0;
}

Status DeviceBuffer::resize(size_t bytes) {
  const bool too_large = capacity_ > (size_t{1} << 20) && bytes < capacity_ / 4;
  if (memory_ != nullptr && bytes <= capacity_ && !too_large) return Status::ok();
  release();
  const size_t wanted = std::max<size_t>(bytes, 64);
  PENSTOCK_RETURN_IF_ERROR(account_->take(wanted));
  memory_ = staging_ ? backend_->allocate_staging(wanted) : backend_->allocate(wanted);
  if (memory_ == nullptr) {
    account_->give_back(wanted);
    return {StatusCode::kOutOfMemory,
            "no memory for " + mebibytes(bytes) + "; smaller input shapes need less"};
  }
  capacity_ = wanted;
  return Status::ok();
}

}  // namespace penstock::runtime
