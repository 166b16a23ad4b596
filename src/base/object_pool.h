// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/tensor.h>

#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock {

// What the handle of a sequence or an optional points at: tensors that nothing changes any more. A
// null handle is an empty sequence, or an optional that holds nothing. An optional tensor is a list
// of one; an optional sequence is that sequence's own list.
using TensorList = std::vector<Tensor>;

// What strings, sequences and optionals of one run refer to. Nothing moves or goes before clear().
class ObjectPool {
 public:
  const TensorList* add(TensorList list) {
    lists_.push_back(std::move(list));
    return &lists_.back();
  }

  StringRef add(std::string_view text) {
    const std::span<char> memory = characters(text.size());
    if (!text.empty()) std::memcpy(memory.data(), text.data(), text.size());
    return {memory.data(), text.size()};
  }

  // Memory for a string that the caller writes.
  std::span<char> characters(size_t size) {
    if (size > left_) {
      const size_t block = size > kBlockBytes ? size : kBlockBytes;
      blocks_.push_back(std::make_unique<char[]>(block));
      if (size >= kBlockBytes) return {blocks_.back().get(), size};  // what is left stays in use
      next_ = blocks_.back().get();
      left_ = block;
    }
    char* begin = next_;
    next_ += size;
    left_ -= size;
    return {begin, size};
  }

  void clear() {
    lists_.clear();
    blocks_.clear();
    next_ = nullptr;
    left_ = 0;
  }

 private:
  static constexpr size_t kBlockBytes = size_t{1} << 16;

  std::deque<TensorList> lists_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* next_ = nullptr;
  size_t left_ = 0;
};

}  // namespace penstock
