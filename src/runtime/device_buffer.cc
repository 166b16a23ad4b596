// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/device_buffer.h"

#include <unistd.h>

#include <algorithm>
#include <string>

namespace penstock::runtime {
namespace {

using backends::size_text;

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
            "no memory for " + size_text(bytes) + ": the context holds " + size_text(held_) +
                " and may hold " + size_text(limit_) +
                "; smaller input shapes need less, and max_memory_bytes sets the limit"};
  }
  held_ += bytes;
  return Status::ok();
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : backend_(other.backend_),
      account_(other.account_),
      use_(other.use_),
      place_(other.place_),
      memory_(other.memory_),
      capacity_(other.capacity_) {
  other.memory_ = nullptr;
  other.capacity_ = 0;
}

void DeviceBuffer::release() {
  if (memory_ == nullptr) return;
  if (place_ == kStaging) {
    backend_->deallocate_staging(memory_, capacity_);
  } else {
    backend_->deallocate(memory_, capacity_, use_);
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
  Result<void*> memory =
      place_ == kStaging ? backend_->allocate_staging(wanted) : backend_->allocate(wanted, use_);
  if (!memory.is_ok()) {
    account_->give_back(wanted);
    return memory.status();
  }
  memory_ = *memory;
  capacity_ = wanted;
  return Status::ok();
}

}  // namespace penstock::runtime
