// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>

#include "backends/backend.h"
#include "backends/cpu/cpu_stream.h"

namespace penstock::backends::cuda {

// A CUDA stream of one device, and a worker thread for runs that mix kernels of the host in, which
// starts with the first of them.
class CudaStream : public Stream {
 public:
  static Result<std::unique_ptr<CudaStream>> create(int device);
  // The caller's, which outlives this; null is the device's default stream.
  static Result<std::unique_ptr<CudaStream>> wrap(int device, cudaStream_t stream);
  ~CudaStream() override;

  cudaStream_t get() const { return stream_; }
  int device() const { return device_; }

  // Work of the host, after what was enqueued with this call before. What kernels put into the CUDA
  // stream runs beside it. At once, on the calling thread, where others enqueue too: what they do
  // next comes after it.
  void enqueue(std::function<void()> work) override;
  Status synchronize() override;
  Status flush() override;
  void enter() override;
  int width() const override { return 1; }
  bool is_asynchronous() const override { return true; }
  Result<double> time(const std::function<Status()>& work, int repeats) override;
  Status begin_recording() override;
  Result<std::unique_ptr<Recording>> end_recording() override;
  Status wait_for(const std::shared_ptr<Event>& event) override;
  Result<bool> is_done() override;
  Status settle() override;
  void* native_handle() override;
  bool is_captured() const override;

 private:
  CudaStream(int device, cudaStream_t stream, bool owned)
      : device_(device), stream_(stream), owned_(owned), shared_(!owned) {}

  int device_;
  cudaStream_t stream_;
  bool owned_;
  std::atomic<bool> shared_;  // others enqueue as well
  CpuStream worker_{1};
};

// Of a kernel's run.
inline cudaStream_t stream_of(Stream& stream) { return static_cast<CudaStream&>(stream).get(); }

// A place in the order of a CUDA stream.
class CudaEvent : public Event {
 public:
  ~CudaEvent() override;
  Status record(Stream& stream) override;
  Status wait() override;
  Result<bool> is_reached() override;
  Result<double> elapsed_ms(const Event& earlier) const override;
  cudaEvent_t get() const { return event_; }  // null until it is recorded

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace penstock::backends::cuda
