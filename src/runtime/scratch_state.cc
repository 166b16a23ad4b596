// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "runtime/scratch_state.h"

#include <algorithm>

namespace penstock::runtime {

using backends::MemoryUse;

ScratchState::ScratchState(std::shared_ptr<backends::Backend> backend,
                           std::shared_ptr<backends::Backend> host)
    : backend_(std::move(backend)),
      host_backend_(std::move(host)),
      host_(*host_backend_, account_, MemoryUse::kScratch),
      device_(*backend_, account_, MemoryUse::kScratch) {}

ScratchState::~ScratchState() {
  if (last_ != nullptr) (void)last_->wait();
}

Status ScratchState::reserve(size_t host_bytes, size_t device_bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !growing_; });
  if (!fits(host_bytes, device_bytes)) {
    // Runs that were prepared hold the addresses; no more of them begin meanwhile.
    growing_ = true;
    changed_.wait(lock, [this] { return reservations_ == 0; });
    const Status grown = grow(host_bytes, device_bytes);
    growing_ = false;
    changed_.notify_all();
    PENSTOCK_RETURN_IF_ERROR(grown);
  }
  ++reservations_;
  return Status::ok();
}

Status ScratchState::grow(size_t host_bytes, size_t device_bytes) {
  if (last_ != nullptr) PENSTOCK_RETURN_IF_ERROR(last_->wait());
  ++generation_;
  PENSTOCK_RETURN_IF_ERROR(host_.resize(std::max(host_bytes, host_.capacity())));
  if (device_bytes == 0) return Status::ok();
  return device_.resize(std::max(device_bytes, device_.capacity()));
}

void ScratchState::release() {
  {
    const std::lock_guard lock(mutex_);
    --reservations_;
  }
  changed_.notify_all();
}

uint64_t ScratchState::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

uint64_t ScratchState::bytes() const {
  const std::lock_guard lock(mutex_);
  return host_.capacity() + device_.capacity();
}

ScratchState::Turn::Turn(ScratchState* scratch) : scratch_(scratch) {
  if (scratch_ == nullptr) return;
  std::unique_lock lock(scratch_->mutex_);
  scratch_->changed_.wait(lock, [this] { return !scratch_->busy_; });
  scratch_->busy_ = true;
}

ScratchState::Turn::~Turn() {
  if (scratch_ == nullptr) return;
  {
    const std::lock_guard lock(scratch_->mutex_);
    scratch_->busy_ = false;
  }
  scratch_->changed_.notify_all();
}

Status ScratchState::Turn::follow(backends::Stream& stream) {
  if (scratch_ == nullptr) return Status::ok();
  if (stream.is_captured()) {
    return {StatusCode::kUnsupported,
            "the stream is being captured, and the context shares its scratch memory, whose order "
            "a capture does not keep: create the context without SharedScratch"};
  }
  return scratch_->last_ == nullptr ? Status::ok() : stream.wait_for(scratch_->last_);
}

Status ScratchState::Turn::hand_over(backends::Stream& stream) {
  if (scratch_ == nullptr) return Status::ok();
  if (scratch_->last_ == nullptr) {
    std::shared_ptr<backends::Event> event = scratch_->backend_->create_event();
    const std::lock_guard lock(scratch_->mutex_);
    scratch_->last_ = std::move(event);
  }
  return scratch_->last_->record(stream);
}

Status ScratchState::Turn::wait() {
  if (scratch_ == nullptr || scratch_->last_ == nullptr) return Status::ok();
  return scratch_->last_->wait();
}

}  // namespace penstock::runtime
