// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/inference.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

namespace penstock::serve {
namespace {

uint32_t length_at(const char* data) {
  std::array<unsigned char, 4> bytes;
  std::memcpy(bytes.data(), data, bytes.size());
  return bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
}

std::span<const StringRef> elements(const TensorView& strings) {
  return {static_cast<const StringRef*>(strings.data), strings.bytes / sizeof(StringRef)};
}

}  // namespace

void InferenceRequest::cancel() {
  if (cancelled_.exchange(true)) return;
  std::shared_ptr<CancellationListener> listener;
  {
    std::lock_guard lock(mutex_);
    listener = listener_.lock();
  }
  if (listener != nullptr) listener->request_cancelled();
}

Answer<std::vector<StringRef>> parse_strings(std::string_view bytes, int64_t count) {
  constexpr size_t kLengthBytes = 4;
  const auto wrong = [&](const std::string& what) {
    return Error(ErrorCode::kInvalidArgument,
                 "expected " + std::to_string(count) +
                     " strings, each after 4 bytes of its length: " + what);
  };
  // Each takes 4 bytes at least: no count makes us reserve more than a multiple of what came.
  if (count < 0 || static_cast<uint64_t>(count) > bytes.size() / kLengthBytes) {
    return wrong(std::to_string(bytes.size()) + " bytes are too few");
  }
  std::vector<StringRef> strings;
  strings.reserve(static_cast<size_t>(count));
  size_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (bytes.size() - at < kLengthBytes) {
      return wrong("the bytes end before string " + std::to_string(i));
    }
    const uint32_t length = length_at(bytes.data() + at);
    at += kLengthBytes;
    if (bytes.size() - at < length) {
      return wrong("string " + std::to_string(i) + " has " + std::to_string(length) +
                   " bytes, and " + std::to_string(bytes.size() - at) + " are left");
    }
    strings.push_back({bytes.data() + at, length});
    at += length;
  }
  if (at != bytes.size()) {
    return wrong(std::to_string(bytes.size() - at) + " bytes are left over");
  }
  return strings;
}

size_t serialized_size(const TensorView& strings) {
  size_t size = 0;
  for (const StringRef& string : elements(strings)) size += 4 + string.size;
  return size;
}

void serialize_strings(const TensorView& strings, std::string& bytes) {
  for (const StringRef& string : elements(strings)) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes.push_back(static_cast<char>(string.size >> shift & 0xff));
    }
    bytes.append(string.data, string.size);
  }
}

}  // namespace penstock::serve
