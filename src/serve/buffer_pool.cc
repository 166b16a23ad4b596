// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/buffer_pool.h"

#include <bit>
#include <cstdlib>

namespace penstock::serve {
namespace {

constexpr size_t kAlignment = 64;

std::byte* allocate(size_t bytes) {
  const size_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (whole < bytes) return nullptr;
  return static_cast<std::byte*>(std::aligned_alloc(kAlignment, std::max(whole, kAlignment)));
}

}  // namespace

const std::shared_ptr<BufferPool>& BufferPool::shared() {
  static const auto pool = std::make_shared<BufferPool>();
  return pool;
}

BufferPool::~BufferPool() {
  for (const auto& blocks : free_) {
    for (std::byte* block : blocks) std::free(block);
  }
}

std::shared_ptr<std::byte> BufferPool::take(size_t bytes) {
  const size_t size_class = bytes == 0 ? 0 : static_cast<size_t>(std::bit_width(bytes - 1));
  if (size_class < kSmallest || size_class > kLargest) {
    std::byte* block = allocate(bytes);
    if (block == nullptr) return nullptr;
    return {block, [](std::byte* address) { std::free(address); }};
  }
  std::byte* block = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (auto& blocks = free_[size_class]; !blocks.empty()) {
      block = blocks.back();
      blocks.pop_back();
      kept_ -= size_t{1} << size_class;
    }
  }
  if (block == nullptr) block = allocate(size_t{1} << size_class);
  if (block == nullptr) return nullptr;
  return {block, [pool = shared_from_this(), size_class](std::byte* address) {
            pool->give_back(address, size_class);
          }};
}

size_t BufferPool::kept_bytes() const {
  std::lock_guard lock(mutex_);
  return kept_;
}

void BufferPool::give_back(std::byte* block, size_t size_class) {
  {
    std::lock_guard lock(mutex_);
    if (kept_ + (size_t{1} << size_class) <= kMostKept) {
      free_[size_class].push_back(block);
      kept_ += size_t{1} << size_class;
      return;
    }
  }
  std::free(block);
}

}  // namespace penstock::serve
