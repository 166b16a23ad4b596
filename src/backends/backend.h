// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backends/tactic.h"

namespace penstock::backends {

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
};

// A point in a stream's order.
class Event {
 public:
  virtual ~Event() = default;
  virtual void record(Stream& stream) = 0;
  virtual Status wait() = 0;
  // Milliseconds from `earlier` to this one, both reached.
  virtual Result<double> elapsed_ms(const Event& earlier) const = 0;
};

// A device: its memory, its queues, and the tactics that run there.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "cpu", "cuda"
  // What a plan's speed depends on: "cpu:AMD EPYC 7B13:avx2:2". Part of timing-cache keys.
  virtual std::string fingerprint() const = 0;
  // What a plan's code needs, from weak to strong: "sse4.2", "avx2", "avx512". Plans record one.
  virtual std::string instruction_set() const = 0;
  virtual bool supports_instruction_set(std::string_view name) const = 0;

  // Memory aligned to 64 bytes; null where the device has no more.
  virtual void* allocate(size_t bytes) = 0;
  virtual void deallocate(void* memory, size_t bytes) = 0;
  virtual Status copy_in(void* device, const void* host, size_t bytes, Stream& stream) = 0;
  virtual Status copy_out(void* host, const void* device, size_t bytes, Stream& stream) = 0;
  virtual bool is_host_memory() const = 0;  // device pointers can be dereferenced by the host
  // True where kernels of this device can read what is at `address`.
  virtual bool can_reach(const void* address) const { return address != nullptr; }
  // Host memory that copies to and from the device are fastest with; null where there is no more.
  virtual void* allocate_staging(size_t bytes) { return allocate(bytes); }
  virtual void deallocate_staging(void* memory, size_t bytes) { deallocate(memory, bytes); }

  // `threads` is the width where the device has one; 0 means all of it.
  virtual Result<std::unique_ptr<Stream>> create_stream(int threads) = 0;
  virtual std::unique_ptr<Event> create_event() = 0;

  // In order of preference; the last is the reference source, which refuses nothing it supports.
  virtual const std::vector<const TacticSource*>& tactic_sources() const = 0;
  const Tactic* find_tactic(std::string_view name) const;
};

}  // namespace penstock::backends
