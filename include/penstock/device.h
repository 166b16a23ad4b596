// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/stream.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

struct DeviceInfo {
  std::string device;           // "cpu", "cuda:0"
  std::string name;             // "NVIDIA H200", "AMD EPYC 7B13"
  std::string instruction_set;  // "avx512"; of a GPU its compute capability: "sm_90"
  uint64_t total_memory = 0;    // bytes
  uint64_t free_memory = 0;     // bytes, when it was asked
};

// Memory of a device, in bytes. What this process holds is what it took through Penstock; the CUDA
// context, code of kernels and what libraries take for themselves is not among it. Weights of plans
// for the CPU are the mapped file's, and not counted.
struct DeviceMemory {
  uint64_t total = 0;
  uint64_t free = 0;         // now, for all processes together
  uint64_t held = 0;         // by this process: the sum of the five below
  uint64_t peak = 0;         // most held at once, since the start or reset_peak_memory()
  uint64_t limit = 0;        // of `held`; 0: none
  uint64_t weights = 0;      // of engines
  uint64_t scratch = 0;      // values between the steps of contexts, and workspace
  uint64_t tensors = 0;      // inputs and outputs that contexts keep
  uint64_t tuning = 0;       // of builds
  uint64_t buffers = 0;      // of the application
  uint64_t page_locked = 0;  // of the host, for copies to and from this device; under no limit
};

// Memory of a device, or page-locked memory of the host, freed with this object. Aligned to 64
// bytes or more, contents undefined.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  friend class Device;
  Buffer(std::shared_ptr<backends::Backend> backend, void* data, size_t bytes, bool on_host)
      : backend_(std::move(backend)), data_(data), bytes_(bytes), on_host_(on_host) {}

  std::shared_ptr<backends::Backend> backend_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
  bool on_host_ = false;
};

// A device: its memory, streams and events. Safe to use from any thread; copies are the same
// device.
class Device {
 public:
  // "cpu", "cuda:N", "cuda", the first GPU, or "auto": a GPU where there is one that works, else
  // the CPU. The environment's PENSTOCK_DEVICE ("cpu", "cuda:N") says which that is. Errors:
  // kUnsupported, with what is missing: the CUDA library, the driver, the GPU.
  static Result<Device> open(std::string_view device = "auto");
  // All that are here: "cpu", "cuda:0", ...
  static std::vector<std::string> list();

  std::string name() const;  // "cuda:0": opens this one
  bool is_host() const;      // its memory is the host's
  Result<DeviceInfo> info() const;

  Result<DeviceMemory> memory() const;
  // The most that this process may hold of the device's memory, all engines, contexts and buffers
  // together; 0: no limit. What is held already stays. Until this is called, the environment's
  // PENSTOCK_MEMORY_LIMIT holds: "4GiB" for each device, or "cuda:0=4GiB,cpu=8GiB".
  void set_memory_limit(uint64_t bytes) const;
  void reset_peak_memory() const;  // to what is held now

  // Errors: kOutOfMemory, with what was asked for, what is held for what, and the limit.
  Result<Buffer> allocate(size_t bytes) const;
  // Memory of the host that copies to and from the device run beside kernels with, and fastest.
  Result<Buffer> allocate_host(size_t bytes) const;
  // True where kernels of this device can read what is at `address`.
  bool can_reach(const void* address) const;

  // An in-order queue; `threads` share a kernel where the device has them, 0: all.
  Result<Stream> create_stream(int threads = 0) const;
  // The stream of somebody else, a cudaStream_t of this device that the caller keeps alive; null is
  // the device's default stream. It is never synchronized but by Stream::synchronize().
  Result<Stream> wrap_stream(void* native_handle) const;
  Result<Event> create_event() const;

  // Copies in the order of `stream`; return at once, or, for memory of the host that is not
  // page-locked, when it may be changed. Errors: kInvalidArgument where an address is no memory of
  // this device, as far as its driver can tell, or the stream is another device's.
  Status copy_in(void* device, const void* host, size_t bytes, Stream& stream) const;
  Status copy_out(void* host, const void* device, size_t bytes, Stream& stream) const;
  Status copy_within(void* to, const void* from, size_t bytes, Stream& stream) const;
  Status fill(void* device, uint8_t value, size_t bytes, Stream& stream) const;
  // Waits for all of a GPU's streams; streams of the CPU have a synchronize() each.
  Status synchronize() const;

 private:
  friend class Engine;
  explicit Device(std::shared_ptr<backends::Backend> backend) : backend_(std::move(backend)) {}

  struct Copy;
  Status check(const Copy& copy) const;
  template <typename Work>
  Status enqueue(const Copy& copy, Stream& stream, Work&& work) const;

  std::shared_ptr<backends::Backend> backend_;
};

}  // namespace penstock
