// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "runtime/device_buffer.h"

namespace penstock::runtime {

// Scratch memory of several contexts, and whose turn it is. From any thread.
class ScratchState {
 public:
  // `host` is where the steps of the CPU run; it may be the same.
  ScratchState(std::shared_ptr<backends::Backend> backend, std::shared_ptr<backends::Backend> host);
  ~ScratchState();

  // At least as many bytes, which stay where they are until release(). Grows when no run needs
  // what is there; where that moved it, generation() changes.
  Status reserve(size_t host_bytes, size_t device_bytes);
  void release();
  uint64_t generation() const;
  std::byte* data(bool on_device) const { return (on_device ? device_ : host_).data(); }
  uint64_t bytes() const;
  const backends::Backend& backend() const { return *backend_; }

  // One run's turn: nobody else enqueues or runs on the memory while this lives.
  class Turn {
   public:
    explicit Turn(ScratchState* scratch);  // null: there is nothing to wait for
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // For kernels that are enqueued: behind those of the last run, on the device.
    Status follow(backends::Stream& stream);
    // They lie in `stream` now: the next run follows them.
    Status hand_over(backends::Stream& stream);
    // For steps that run while the turn lasts: waits until those of the last run are done.
    Status wait();

   private:
    ScratchState* scratch_;
  };

 private:
  bool fits(size_t host_bytes, size_t device_bytes) const {
    return host_bytes <= host_.capacity() && device_bytes <= device_.capacity();
  }

  Status grow(size_t host_bytes, size_t device_bytes);

  std::shared_ptr<backends::Backend> backend_;
  std::shared_ptr<backends::Backend> host_backend_;
  MemoryAccount account_{UINT64_MAX};
  DeviceBuffer host_;
  DeviceBuffer device_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int reservations_ = 0;
  bool growing_ = false;
  bool busy_ = false;
  uint64_t generation_ = 0;
  std::shared_ptr<backends::Event> last_;  // behind the last run that was enqueued; null before
};

}  // namespace penstock::runtime
