// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Where a context has the values between its steps: in memory of its own, of the caller's, or
// shared with other contexts.
#include "runtime/context_state.h"

namespace penstock::runtime {
namespace {

constexpr uintptr_t kAlignment = 64;  // of the blocks in an arena

}  // namespace

std::byte* ContextState::arena(bool on_device) const {
  if (given_scratch_ != nullptr && on_device == engine_->is_mixed()) {
    return static_cast<std::byte*>(given_scratch_);
  }
  if (scratch_ != nullptr) return scratch_->data(on_device);
  return (on_device ? device_arena_ : arena_).data();
}

// Of the memory that a caller may give.
size_t ContextState::wanted_scratch() const {
  return engine_->is_mixed() ? binding().device_arena_bytes : binding().arena_bytes;
}

// What the binding needs; shared memory stays where it is until release_scratch().
Status ContextState::take_scratch() {
  const Binding& wanted = binding();
  if (scratch_ != nullptr) {
    PENSTOCK_RETURN_IF_ERROR(scratch_->reserve(wanted.arena_bytes, wanted.device_arena_bytes));
    const uint64_t generation = scratch_->generation();
    addresses_changed_ = addresses_changed_ || generation != scratch_generation_;
    scratch_generation_ = generation;
    return Status::ok();
  }
  const bool given = given_scratch_ != nullptr;
  if (given && wanted_scratch() > given_scratch_bytes_) {
    return {StatusCode::kOutOfMemory,
            "the context was given " + std::to_string(given_scratch_bytes_) +
                " bytes of scratch memory, and these input shapes need " +
                std::to_string(wanted_scratch()) + "; scratch_bytes() tells it before the run"};
  }
  if (!given || engine_->is_mixed()) {
    PENSTOCK_RETURN_IF_ERROR(arena_.resize(wanted.arena_bytes));
  }
  if (engine_->is_mixed() && !given) {
    PENSTOCK_RETURN_IF_ERROR(device_arena_.resize(wanted.device_arena_bytes));
  }
  return Status::ok();
}

void ContextState::release_scratch() {
  if (scratch_ != nullptr) scratch_->release();
}

Result<uint64_t> ContextState::scratch_bytes() {
  PENSTOCK_RETURN_IF_ERROR(bind_if_changed());
  return static_cast<uint64_t>(wanted_scratch());
}

Status ContextState::set_scratch_memory(void* memory, uint64_t bytes) {
  if (scratch_ != nullptr) {
    return {StatusCode::kInvalidArgument,
            "the context shares its scratch memory and takes no other: create it without "
            "SharedScratch"};
  }
  if (reinterpret_cast<uintptr_t>(memory) % kAlignment != 0) {
    return {StatusCode::kInvalidArgument, "scratch memory at an address that is no multiple of " +
                                              std::to_string(kAlignment) + " bytes"};
  }
  if (memory != nullptr && !engine_->backend().can_reach(memory)) {
    return {StatusCode::kInvalidArgument, "the scratch memory is no memory of " +
                                              engine_->backend().device() +
                                              "; Device::allocate() gives some"};
  }
  (void)wait();
  given_scratch_ = memory;
  given_scratch_bytes_ = bytes;
  addresses_changed_ = true;
  if (memory != nullptr) (engine_->is_mixed() ? device_arena_ : arena_).release();
  return Status::ok();
}

}  // namespace penstock::runtime
