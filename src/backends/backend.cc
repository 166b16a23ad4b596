// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/backend.h"

#include <chrono>

namespace penstock::backends {

Result<double> Stream::time(const std::function<Status()>& work, int repeats) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) PENSTOCK_RETURN_IF_ERROR(work());
  const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - begin;
  return spent.count() / repeats;
}

Status Stream::begin_recording() {
  return {StatusCode::kUnsupported, "this device records no work"};
}

Result<std::unique_ptr<Recording>> Stream::end_recording() {
  return Status(StatusCode::kUnsupported, "this device records no work");
}

Status Stream::wait_for(const std::shared_ptr<Event>& event) {
  enqueue([event, wait = event->waiter()] { (void)wait(); });
  return Status::ok();
}

Status Backend::copy_within(void*, const void*, size_t, Stream&) {
  return {StatusCode::kUnsupported, device() + " makes no copies of its own"};
}

Status Backend::fill(void*, uint8_t, size_t, Stream&) {
  return {StatusCode::kUnsupported, device() + " fills no memory"};
}

Result<std::unique_ptr<Stream>> Backend::wrap_stream(void*) {
  return Status(StatusCode::kUnsupported,
                device() + " has no streams of others; make one with create_stream()");
}

const Tactic* Backend::find_tactic(std::string_view name) const {
  for (const TacticSource* source : tactic_sources()) {
    if (const Tactic* tactic = source->find(name)) return tactic;
  }
  return nullptr;
}

}  // namespace penstock::backends
