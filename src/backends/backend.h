// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/memory_budget.h"
#include "backends/tactic.h"

namespace penstock::backends {

class Event;
class Stream;

// Work that a stream recorded, enqueued again as a whole: cheaper than its parts.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual Status replay(Stream& stream) = 0;
};

// An in-order queue on a device.
class Stream {
 public:
  virtual ~Stream() = default;
  // Host work in queue order: returns at once; the function runs after all enqueued before it.
  virtual void enqueue(std::function<void()> work) = 0;
  virtual Status synchronize() = 0;
  // Makes the calling thread one that may run this stream's kernels.
  virtual void enter() {}
  virtual int width() const = 0;  // threads that share a kernel; 1 on devices that hide them

  // Waits for what kernels enqueued; from a thread that runs the stream's work.
  virtual Status flush() { return Status::ok(); }
  // True where kernels only enqueue their work, so that a run needs no thread of its own.
  virtual bool is_asynchronous() const { return false; }
  // Microseconds of one of `repeats` calls of `work`, made one after the other: the device's time
  // where kernels only enqueue.
  virtual Result<double> time(const std::function<Status()>& work, int repeats);
  // What kernels enqueue from here on is recorded, not run. An error where the device cannot.
  virtual Status begin_recording();
  virtual Result<std::unique_ptr<Recording>> end_recording();

  // What is enqueued from here on runs after the point where `event` was recorded last.
  virtual Status wait_for(const std::shared_ptr<Event>& event);
  // False while something enqueued is not done.
  virtual Result<bool> is_done() = 0;
  // Waits until host work that was enqueued has handed the device its part: what the caller
  // enqueues next, with a call of the device, comes after it.
  virtual Status settle() { return Status::ok(); }
  // The device's own handle, a cudaStream_t, with which others enqueue as well; null where it has
  // none.
  virtual void* native_handle() { return nullptr; }
  // True while the owner of the device's stream records what is enqueued there.
  virtual bool is_captured() const { return false; }
};

// A point in a stream's order.
class Event {
 public:
  virtual ~Event() = default;
  virtual Status record(Stream& stream) = 0;
  // Of the point recorded last; at once where there is none.
  virtual Status wait() = 0;
  virtual Result<bool> is_reached() = 0;
  // Waits for the point recorded last, also where the event has been recorded again since.
  virtual std::function<Status()> waiter() {
    return [this] { return wait(); };
  }
  // Milliseconds from `earlier` to this one, both reached.
  virtual Result<double> elapsed_ms(const Event& earlier) const = 0;
};

// Of a device, in bytes.
struct MemoryFacts {
  uint64_t total = 0;
  uint64_t free = 0;  // now, for all processes together
};

// A device: its memory, its queues, and the tactics that run there.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "cpu", "cuda"
  // What finds this one: "cpu", "cuda:1".
  virtual std::string device() const { return std::string(name()); }
  virtual std::string product_name() const { return fingerprint(); }  // "NVIDIA H200"
  // What a plan's speed depends on: "cpu:AMD EPYC 7B13:avx2:2". Part of timing-cache keys.
  virtual std::string fingerprint() const = 0;
  // What a plan's code needs, from weak to strong: "sse4.2", "avx2", "avx512". Plans record one.
  virtual std::string instruction_set() const = 0;
  virtual bool supports_instruction_set(std::string_view name) const = 0;

  // Memory aligned to 64 bytes, counted against the device's limit: the only way to it. Errors:
  // kOutOfMemory, with what was asked for, held and allowed; kDeviceLost.
  Result<void*> allocate(size_t bytes, MemoryUse use);
  // What allocate() gave, with the same bytes and use.
  void deallocate(void* memory, size_t bytes, MemoryUse use);
  MemoryBudget& memory_budget() { return budget_; }
  // kDeviceLost, from the first error of that kind on.
  virtual Status health() const { return Status::ok(); }

  virtual Status copy_in(void* device, const void* host, size_t bytes, Stream& stream) = 0;
  virtual Status copy_out(void* host, const void* device, size_t bytes, Stream& stream) = 0;
  // From the device's memory to the device's memory.
  virtual Status copy_within(void* to, const void* from, size_t bytes, Stream& stream);
  virtual Status fill(void* device, uint8_t value, size_t bytes, Stream& stream);
  virtual Result<MemoryFacts> memory() const { return MemoryFacts(); }
  // Makes this the calling thread's current device, where threads have one; what it was goes to
  // restore_current().
  virtual int make_current() { return -1; }
  virtual void restore_current(int) {}
  // Waits for all streams.
  virtual Status synchronize() { return Status::ok(); }
  virtual bool is_host_memory() const = 0;  // device pointers can be dereferenced by the host
  // True where kernels of this device can read what is at `address`.
  virtual bool can_reach(const void* address) const { return address != nullptr; }
  // An error where the driver knows `address` as memory that neither this device nor the host
  // reaches: another device's.
  virtual Status check_address(const void*) const { return Status::ok(); }
  // Host memory that copies to and from the device are fastest with; under no limit where the
  // device has memory of its own. Errors: kOutOfMemory.
  Result<void*> allocate_staging(size_t bytes);
  void deallocate_staging(void* memory, size_t bytes);
  uint64_t staging_bytes() const { return staging_bytes_.load(std::memory_order_relaxed); }

  // `threads` is the width where the device has one; 0 means all of it.
  virtual Result<std::unique_ptr<Stream>> create_stream(int threads) = 0;
  // The stream of somebody else, who keeps it alive: Stream::native_handle().
  virtual Result<std::unique_ptr<Stream>> wrap_stream(void* native_handle);
  virtual std::unique_ptr<Event> create_event() = 0;

  // In order of preference; the last is the reference source, which refuses nothing it supports.
  virtual const std::vector<const TacticSource*>& tactic_sources() const = 0;
  const Tactic* find_tactic(std::string_view name) const;

 protected:
  // Of the device itself. Errors: kOutOfMemory, for which allocate() finds the words, kDeviceLost.
  virtual Result<void*> allocate_memory(size_t bytes) = 0;
  virtual void free_memory(void* memory) = 0;
  // Page-locked memory, of devices with memory of their own.
  virtual Result<void*> allocate_staging_memory(size_t bytes);
  virtual void free_staging_memory(void*) {}

 private:
  MemoryBudget budget_;
  std::atomic<uint64_t> staging_bytes_ = 0;
};

// The calling thread's current device while this lives: callers may use another.
class CurrentDevice {
 public:
  explicit CurrentDevice(Backend& backend) : backend_(backend), previous_(backend.make_current()) {}
  ~CurrentDevice() { backend_.restore_current(previous_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  Backend& backend_;
  int previous_;
};

}  // namespace penstock::backends
