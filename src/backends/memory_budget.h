// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::backends {

// What a device's memory is taken for.
enum class MemoryUse : uint8_t { kWeights, kScratch, kTensors, kTuning, kBuffers };
inline constexpr size_t kMemoryUses = 5;

std::string_view to_string(MemoryUse use);  // as messages have it: "scratch memory"

// "1.5 GiB", "12 MiB", "100 bytes".
std::string size_text(uint64_t bytes);

// Bytes from "4GiB", "512MiB", "1.5G", "1048576": with or without the i and the B, powers of 1024.
std::optional<uint64_t> parse_size(std::string_view text);

// What this process holds of one device's memory, and the most it may. From any thread.
class MemoryBudget {
 public:
  struct Figures {
    uint64_t held = 0;
    uint64_t peak = 0;   // most held at once since the last reset
    uint64_t limit = 0;  // 0: none
    std::array<uint64_t, kMemoryUses> by_use{};
  };

  // Counts memory before it is taken. An error, kOutOfMemory, says what was asked for, what is held
  // for what, and the limit.
  Status take(uint64_t bytes, MemoryUse use, std::string_view device);
  void give_back(uint64_t bytes, MemoryUse use);
  void set_limit(uint64_t bytes);  // 0: none; what is held already stays
  // The same where nobody set one.
  void set_default_limit(uint64_t bytes);
  void reset_peak();
  Figures figures() const;
  // "cuda:0 holds 1.2 GiB (weights 200 MiB, scratch memory 1.0 GiB)"
  std::string holdings(std::string_view device) const;

 private:
  mutable std::mutex mutex_;
  Figures figures_;
  bool limit_was_set_ = false;
};

// The limit that the environment's PENSTOCK_MEMORY_LIMIT gives a device: "4GiB" for each device, or
// "cuda:0=4GiB,cpu=8GiB" for those named; 0 where it says nothing. An error where it cannot be
// read.
Result<uint64_t> environment_memory_limit(std::string_view device);

}  // namespace penstock::backends
