// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <cstdint>

#include "backends/backend.h"

namespace penstock::runtime {

uint64_t machine_memory();  // bytes, of the host

// How much of the host's or of a device's memory a context holds, and the most it may.
class MemoryAccount {
 public:
  explicit MemoryAccount(uint64_t limit) : limit_(limit) {}

  // An error that names the limit where it would be passed.
  Status take(uint64_t bytes);
  void give_back(uint64_t bytes) { held_ -= bytes; }
  uint64_t held() const { return held_; }

 private:
  uint64_t limit_;
  uint64_t held_ = 0;
};

// Memory of a backend, freed with its owner.
class DeviceBuffer {
 public:
  enum Place : uint8_t { kOnDevice, kStaging };

  // Of the device, or, for staging, of the host: what copies to and from the device are fastest
  // with. Backend and account outlive it.
  DeviceBuffer(backends::Backend& backend, MemoryAccount& account, backends::MemoryUse use,
               Place place = kOnDevice)
      : backend_(&backend), account_(&account), use_(use), place_(place) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&&) = delete;
  ~DeviceBuffer() { release(); }

  // At least `bytes`, contents undefined. Shrinks where four times too large: scratch follows the
  // shapes.
  Status resize(size_t bytes);
  void release();
  std::byte* data() const { return static_cast<std::byte*>(memory_); }
  size_t capacity() const { return capacity_; }

 private:
  backends::Backend* backend_;
  MemoryAccount* account_;
  backends::MemoryUse use_;
  Place place_;
  void* memory_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace penstock::runtime
