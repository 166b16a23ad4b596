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

Result<void*> Backend::allocate(size_t bytes, MemoryUse use) {
  PENSTOCK_RETURN_IF_ERROR(budget_.take(bytes, use, device()));
  Result<void*> memory = allocate_memory(bytes);
  if (memory.is_ok()) return memory;
  budget_.give_back(bytes, use);
  if (memory.status().code() != StatusCode::kOutOfMemory) return memory;
  const Result<MemoryFacts> facts = this->memory();
  return Status(StatusCode::kOutOfMemory,
                device() + " has no memory for " + size_text(bytes) + " more of " +
                    std::string(to_string(use)) + ": " + budget_.holdings(device()) +
                    (facts.is_ok() ? ", and " + size_text(facts->free) + " of " +
                                         size_text(facts->total) + " are free"
                                   : "") +
                    "; smaller input shapes and fewer contexts need less");
}

void Backend::deallocate(void* memory, size_t bytes, MemoryUse use) {
  if (memory == nullptr) return;
  free_memory(memory);
  budget_.give_back(bytes, use);
}

Result<void*> Backend::allocate_staging(size_t bytes) {
  if (is_host_memory()) return allocate(bytes, MemoryUse::kTensors);
  Result<void*> memory = allocate_staging_memory(bytes);
  if (memory.is_ok()) staging_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return memory;
}

void Backend::deallocate_staging(void* memory, size_t bytes) {
  if (is_host_memory()) return deallocate(memory, bytes, MemoryUse::kTensors);
  if (memory == nullptr) return;
  free_staging_memory(memory);
  staging_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

Result<void*> Backend::allocate_staging_memory(size_t) {
  return Status(StatusCode::kUnsupported, device() + " locks no memory of the host");
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
