// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::backends {

// Names a piece of device code by the hash (XXH3, 128 bits) of all that it is made from: equal
// keys, equal code.
struct CodeKey {
  uint64_t high = 0;
  uint64_t low = 0;

  static CodeKey of(std::string_view origin);
  auto operator<=>(const CodeKey&) const = default;
};

// Machine code of a kernel, or what a library needs to make one ready without compiling.
struct CodeItem {
  CodeKey key;
  std::string maker;  // and its version, "cudnn 91300": where that matters, only it can read this
  std::vector<std::byte> bytes;
};

// The same in a plan's memory.
struct CodeView {
  CodeKey key;
  std::string maker;
  std::span<const std::byte> bytes;
};

// The device code of a plan, and what binding kernels under it took. From any thread.
class DeviceCode {
 public:
  // What was spent on one thing, in total.
  struct Spent {
    int times = 0;
    double milliseconds = 0;
  };

  DeviceCode() = default;
  // The views' memory outlives this.
  explicit DeviceCode(std::vector<CodeView> views);

  // Null where there is none.
  const CodeView* find(const CodeKey& key) const;

  // Whoever makes device code while a plan is built, or has it from before, hands over a copy.
  void start_recording() { is_recording_ = true; }
  bool is_recording() const { return is_recording_; }
  void record(const CodeKey& key, std::string maker, std::span<const std::byte> bytes);
  std::vector<CodeItem> take_recorded();  // by key

  // Of code that cannot be used as it lies there; said once.
  void warn(const std::string& warning);
  std::vector<std::string> warnings() const;  // sorted

  void spend(std::string_view what, double milliseconds);
  std::map<std::string, Spent> spent() const;

 private:
  std::map<CodeKey, CodeView> views_;
  bool is_recording_ = false;
  mutable std::mutex mutex_;
  std::map<CodeKey, CodeItem> recorded_;
  std::set<std::string> warnings_;
  std::map<std::string, Spent> spent_;
};

// Of the plan whose kernels the calling thread binds; where it binds for none, one of the process
// that has no code.
DeviceCode& current_device_code();

// Makes it the calling thread's while this lives.
class CurrentDeviceCode {
 public:
  explicit CurrentDeviceCode(DeviceCode& code);
  ~CurrentDeviceCode();
  CurrentDeviceCode(const CurrentDeviceCode&) = delete;
  CurrentDeviceCode& operator=(const CurrentDeviceCode&) = delete;

 private:
  DeviceCode* previous_;
};

// Tells the current device code how long this lived.
class SpentTimer {
 public:
  explicit SpentTimer(std::string_view what) : what_(what) {}
  ~SpentTimer() {
    const std::chrono::duration<double, std::milli> took = Clock::now() - begin_;
    current_device_code().spend(what_, took.count());
  }
  SpentTimer(const SpentTimer&) = delete;
  SpentTimer& operator=(const SpentTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  std::string_view what_;
  Clock::time_point begin_ = Clock::now();
};

// What it is spent on.
inline constexpr std::string_view kOpeningLibraries = "libraries";  // of the device's vendor
inline constexpr std::string_view kLoadingCode = "device code";     // from the plan, or just made
inline constexpr std::string_view kCompiling = "compiling";

}  // namespace penstock::backends
