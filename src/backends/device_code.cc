// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/device_code.h"

#include <xxhash.h>

#include <utility>

namespace penstock::backends {
namespace {

thread_local DeviceCode* current = nullptr;

}  // namespace

CodeKey CodeKey::of(std::string_view origin) {
  const XXH128_hash_t hash = XXH3_128bits(origin.data(), origin.size());
  return {hash.high64, hash.low64};
}

DeviceCode::DeviceCode(std::vector<CodeView> views) {
  for (CodeView& view : views) {
    const CodeKey key = view.key;
    views_.emplace(key, std::move(view));
  }
}

const CodeView* DeviceCode::find(const CodeKey& key) const {
  const auto found = views_.find(key);
  return found == views_.end() ? nullptr : &found->second;
}

void DeviceCode::record(const CodeKey& key, std::string maker, std::span<const std::byte> bytes) {
  if (!is_recording_) return;
  CodeItem item{key, std::move(maker), {bytes.begin(), bytes.end()}};
  const std::lock_guard lock(mutex_);
  recorded_.insert_or_assign(key, std::move(item));
}

std::vector<CodeItem> DeviceCode::take_recorded() {
  const std::lock_guard lock(mutex_);
  std::vector<CodeItem> items;
  for (auto& [key, item] : std::exchange(recorded_, {})) items.push_back(std::move(item));
  return items;
}

void DeviceCode::warn(const std::string& warning) {
  const std::lock_guard lock(mutex_);
  warnings_.insert(warning);
}

std::vector<std::string> DeviceCode::warnings() const {
  const std::lock_guard lock(mutex_);
  return {warnings_.begin(), warnings_.end()};
}

void DeviceCode::spend(std::string_view what, double milliseconds) {
  const std::lock_guard lock(mutex_);
  Spent& spent = spent_[std::string(what)];
  ++spent.times;
  spent.milliseconds += milliseconds;
}

std::map<std::string, DeviceCode::Spent> DeviceCode::spent() const {
  const std::lock_guard lock(mutex_);
  return spent_;
}

DeviceCode& current_device_code() {
  static auto* of_process = new DeviceCode;
  return current == nullptr ? *of_process : *current;
}

CurrentDeviceCode::CurrentDeviceCode(DeviceCode& code) : previous_(std::exchange(current, &code)) {}

CurrentDeviceCode::~CurrentDeviceCode() { current = previous_; }

}  // namespace penstock::backends
