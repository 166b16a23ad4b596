// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace penstock::serve {

// Memory of bodies and outputs, 64-byte aligned, contents undefined. Large blocks are kept for the
// next taker: fresh pages of the system cost more than filling them.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  static const std::shared_ptr<BufferPool>& shared();
  ~BufferPool();

  // At least `bytes` bytes; goes back with the last copy. Null where there is no memory.
  std::shared_ptr<std::byte> take(size_t bytes);
  size_t kept_bytes() const;

 private:
  static constexpr size_t kSmallest = 16;  // classes are powers of two, from 64 KiB ...
  static constexpr size_t kLargest = 26;   // ... to 64 MiB
  static constexpr size_t kMostKept = size_t{128} << 20;

  void give_back(std::byte* block, size_t size_class);

  mutable std::mutex mutex_;
  std::array<std::vector<std::byte*>, kLargest + 1> free_;
  size_t kept_ = 0;
};

}  // namespace penstock::serve
