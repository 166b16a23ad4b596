// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <memory>
#include <string>

namespace penstock {

namespace backends {
class Backend;
class Event;
class Stream;
}  // namespace backends

class Event;

// An in-order queue on a device: what is enqueued runs in that order, beside other streams. Made by
// Engine::create_stream() and Device::create_stream(), or from somebody else's by
// Device::wrap_stream(). Copies are the same stream.
class Stream {
 public:
  // Waits until everything enqueued so far is done.
  Status synchronize();
  // False while something enqueued is not done.
  Result<bool> is_done();
  // What is enqueued from here on runs after the point where `event` was recorded last, on whatever
  // stream.
  Status wait_for(const Event& event);
  int threads() const;         // that share a kernel; 1 on a GPU
  std::string device() const;  // "cpu", "cuda:0"
  // The cudaStream_t, for those who enqueue work of their own; lives as long as the stream. Null on
  // the CPU, and for the default stream of a GPU.
  void* native_handle() const;

 private:
  friend class Device;
  friend class Engine;
  friend class Event;
  friend class ExecutionContext;
  Stream(std::shared_ptr<backends::Backend> backend, std::shared_ptr<backends::Stream> stream)
      : backend_(std::move(backend)), stream_(std::move(stream)) {}

  std::shared_ptr<backends::Backend> backend_;
  std::shared_ptr<backends::Stream> stream_;
};

// A point in the order of a stream, and when it was reached. Copies are the same event.
class Event {
 public:
  // Moves the point behind what `stream`, of the event's device, holds.
  Status record(Stream& stream);
  // Waits for the point; at once where none was recorded.
  Status wait();
  Result<bool> is_reached();
  // Milliseconds from `earlier` to this one; waits for both.
  Result<double> elapsed_ms(const Event& earlier) const;

 private:
  friend class Device;
  friend class ExecutionContext;
  friend class Stream;
  Event(std::shared_ptr<backends::Backend> backend, std::shared_ptr<backends::Event> event)
      : backend_(std::move(backend)), event_(std::move(event)) {}

  std::shared_ptr<backends::Backend> backend_;
  std::shared_ptr<backends::Event> event_;
};

}  // namespace penstock
