// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/plan_memory.h"

#include <penstock/plan.h>

#include <cstring>
#include <new>

#include "base/new_file.h"

namespace penstock {
namespace plan {

Result<std::shared_ptr<std::byte>> allocate_plan(size_t bytes) {
  constexpr std::align_val_t kAlign{kPlanAlignment};
  void* memory = operator new(bytes == 0 ? 1 : bytes, kAlign, std::nothrow);
  if (memory == nullptr) {
    return Status(StatusCode::kOutOfMemory,
                  "no memory for a plan of " + std::to_string(bytes) + " bytes");
  }
  std::memset(memory, 0, bytes);
  return std::shared_ptr<std::byte>(static_cast<std::byte*>(memory),
                                    [](std::byte* data) { operator delete(data, kAlign); });
}

}  // namespace plan

Result<Plan> Plan::borrow(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % plan::kPlanAlignment != 0) return copy(bytes);
  return Plan(std::shared_ptr<const std::byte>(std::move(owner), bytes.data()), bytes.size());
}

Result<Plan> Plan::copy(std::span<const std::byte> bytes) {
  PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<std::byte> memory, plan::allocate_plan(bytes.size()));
  if (!bytes.empty()) std::memcpy(memory.get(), bytes.data(), bytes.size());
  return Plan(std::move(memory), bytes.size());
}

Status Plan::save(const std::filesystem::path& path) const {
  NewFile file(path);
  file.write(data_.get(), size_);
  return file.commit();
}

}  // namespace penstock
