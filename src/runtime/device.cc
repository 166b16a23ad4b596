// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/device.h>

#include <utility>

#include "backends/backend.h"
#include "ops/find_backend.h"

namespace penstock {
namespace {

Status wrong_device(const std::string& what, const std::string& theirs, const std::string& ours) {
  return {StatusCode::kInvalidArgument,
          what + " is of device " + theirs + ", not of " + ours + "; make one there"};
}

}  // namespace

// What a call copies, for its checks.
struct Device::Copy {
  const char* what;
  const void* to;
  bool to_is_here;  // has to be the device's memory
  const void* from;
  bool from_is_here;
  size_t bytes;
};

Status Stream::synchronize() {
  const backends::CurrentDevice current(*backend_);
  return stream_->synchronize();
}
Result<bool> Stream::is_done() { return stream_->is_done(); }
int Stream::threads() const { return stream_->width(); }
std::string Stream::device() const { return backend_->device(); }
void* Stream::native_handle() const { return stream_->native_handle(); }

Status Stream::wait_for(const Event& event) {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_RETURN_IF_ERROR(stream_->settle());
  return stream_->wait_for(event.event_);
}

Status Event::record(Stream& stream) {
  if (stream.backend_ != backend_) {
    return wrong_device("the event", backend_->device(), stream.device());
  }
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_RETURN_IF_ERROR(stream.stream_->settle());
  return event_->record(*stream.stream_);
}

Status Event::wait() { return event_->wait(); }
Result<bool> Event::is_reached() { return event_->is_reached(); }
Result<double> Event::elapsed_ms(const Event& earlier) const {
  return event_->elapsed_ms(*earlier.event_);
}

Buffer::Buffer(Buffer&& other) noexcept { *this = std::move(other); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(backend_, other.backend_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(on_host_, other.on_host_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  const backends::CurrentDevice current(*backend_);
  if (on_host_) {
    backend_->deallocate_staging(data_, bytes_);
  } else {
    backend_->deallocate(data_, bytes_, backends::MemoryUse::kBuffers);
  }
}

Result<Device> Device::open(std::string_view device) {
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<backends::Backend> backend, ops::find_backend(device));
  return Device(std::move(backend));
}

std::vector<std::string> Device::list() {
  std::vector<std::string> devices = {"cpu"};
  const int count = ops::cuda_device_count();
  for (int i = 0; i < count; ++i) devices.push_back("cuda:" + std::to_string(i));
  return devices;
}

std::string Device::name() const { return backend_->device(); }
bool Device::is_host() const { return backend_->is_host_memory(); }

Result<DeviceInfo> Device::info() const {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::MemoryFacts memory, backend_->memory());
  return DeviceInfo{backend_->device(), backend_->product_name(), backend_->instruction_set(),
                    memory.total, memory.free};
}

Result<DeviceMemory> Device::memory() const {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_RETURN_IF_ERROR(backend_->health());
  PENSTOCK_ASSIGN_OR_RETURN(const backends::MemoryFacts facts, backend_->memory());
  const backends::MemoryBudget::Figures figures = backend_->memory_budget().figures();
  const auto use = [&](backends::MemoryUse which) {
    return figures.by_use[static_cast<size_t>(which)];
  };
  DeviceMemory memory;
  memory.total = facts.total;
  memory.free = facts.free;
  memory.held = figures.held;
  memory.peak = figures.peak;
  memory.limit = figures.limit;
  memory.weights = use(backends::MemoryUse::kWeights);
  memory.scratch = use(backends::MemoryUse::kScratch);
  memory.tensors = use(backends::MemoryUse::kTensors);
  memory.tuning = use(backends::MemoryUse::kTuning);
  memory.buffers = use(backends::MemoryUse::kBuffers);
  memory.page_locked = backend_->staging_bytes();
  return memory;
}

void Device::set_memory_limit(uint64_t bytes) const { backend_->memory_budget().set_limit(bytes); }
void Device::reset_peak_memory() const { backend_->memory_budget().reset_peak(); }

Result<Buffer> Device::allocate(size_t bytes) const {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_RETURN_IF_ERROR(backend_->health());
  PENSTOCK_ASSIGN_OR_RETURN(void* data, backend_->allocate(bytes, backends::MemoryUse::kBuffers));
  return Buffer(backend_, data, bytes, false);
}

Result<Buffer> Device::allocate_host(size_t bytes) const {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_RETURN_IF_ERROR(backend_->health());
  PENSTOCK_ASSIGN_OR_RETURN(void* data, backend_->allocate_staging(bytes));
  return Buffer(backend_, data, bytes, true);
}

bool Device::can_reach(const void* address) const { return backend_->can_reach(address); }

Result<Stream> Device::create_stream(int threads) const {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_RETURN_IF_ERROR(backend_->health());
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Stream> stream,
                            backend_->create_stream(threads));
  return Stream(backend_, std::shared_ptr<backends::Stream>(std::move(stream)));
}

Result<Stream> Device::wrap_stream(void* native_handle) const {
  const backends::CurrentDevice current(*backend_);
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Stream> stream,
                            backend_->wrap_stream(native_handle));
  return Stream(backend_, std::shared_ptr<backends::Stream>(std::move(stream)));
}

Result<Event> Device::create_event() const {
  std::unique_ptr<backends::Event> event = backend_->create_event();
  if (event != nullptr) return Event(backend_, std::shared_ptr<backends::Event>(std::move(event)));
  return Status(StatusCode::kUnsupported, name() + " has no events");
}

Status Device::check(const Copy& copy) const {
  const std::string what(copy.what);
  if (copy.bytes == 0) return Status::ok();
  for (const void* address : {copy.to, copy.from}) {
    if (address != nullptr) continue;
    return {StatusCode::kInvalidArgument, what + ": an address is null"};
  }
  for (const auto& [address, is_here] :
       {std::pair(copy.to, copy.to_is_here), std::pair(copy.from, copy.from_is_here)}) {
    if (!is_here || backend_->can_reach(address)) continue;
    return {StatusCode::kInvalidArgument,
            what + ": the " + (address == copy.to ? "target" : "source") + " is no memory of " +
                name() + "; Device::allocate() gives some"};
  }
  return Status::ok();
}

template <typename Work>
Status Device::enqueue(const Copy& copy, Stream& stream, Work&& work) const {
  const backends::CurrentDevice current(*backend_);
  if (stream.backend_ != backend_) {
    return wrong_device(std::string(copy.what) + ": the stream", stream.device(), name());
  }
  PENSTOCK_RETURN_IF_ERROR(backend_->health());
  PENSTOCK_RETURN_IF_ERROR(check(copy));
  PENSTOCK_RETURN_IF_ERROR(stream.stream_->settle());
  return work(*stream.stream_);
}

Status Device::copy_in(void* device, const void* host, size_t bytes, Stream& stream) const {
  const Copy copy{"copy_in", device, true, host, false, bytes};
  return enqueue(copy, stream, [&](backends::Stream& queue) {
    return backend_->copy_in(device, host, bytes, queue);
  });
}

Status Device::copy_out(void* host, const void* device, size_t bytes, Stream& stream) const {
  const Copy copy{"copy_out", host, false, device, true, bytes};
  return enqueue(copy, stream, [&](backends::Stream& queue) {
    return backend_->copy_out(host, device, bytes, queue);
  });
}

Status Device::copy_within(void* to, const void* from, size_t bytes, Stream& stream) const {
  const Copy copy{"copy_within", to, true, from, true, bytes};
  return enqueue(copy, stream, [&](backends::Stream& queue) {
    return backend_->copy_within(to, from, bytes, queue);
  });
}

Status Device::fill(void* device, uint8_t value, size_t bytes, Stream& stream) const {
  const Copy copy{"fill", device, true, device, true, bytes};
  return enqueue(copy, stream, [&](backends::Stream& queue) {
    return backend_->fill(device, value, bytes, queue);
  });
}

Status Device::synchronize() const {
  const backends::CurrentDevice current(*backend_);
  return backend_->synchronize();
}

}  // namespace penstock
