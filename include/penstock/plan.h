// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace penstock {

// The bytes of a plan, what a plan file holds: immutable, 64-byte aligned, shared by copies.
class Plan {
 public:
  Plan() = default;
  // Takes part in the ownership of bytes that lie elsewhere. They must not change; where they are
  // not 64-byte aligned, they are copied.
  static Result<Plan> borrow(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);
  static Result<Plan> copy(std::span<const std::byte> bytes);

  const std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }
  // The file appears under its name only when it is complete.
  Status save(const std::filesystem::path& path) const;

 private:
  Plan(std::shared_ptr<const std::byte> data, size_t size) : data_(std::move(data)), size_(size) {}

  std::shared_ptr<const std::byte> data_;
  size_t size_ = 0;
};

}  // namespace penstock
