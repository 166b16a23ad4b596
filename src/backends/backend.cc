// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/backend.h"

#include <chrono>

namespace penstock::backends {

Result<double> Stream::time(const std::function<Status()>& work, int repeats) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) PENSTOCK_RETURN_IF_ERROR(work());
  const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - begin;
  return spent.count() / repeats;
}

Status Stream::begin_recording() {
  return {StatusCode::kUnsupported, "this device records no work"};
}

Result<std::unique_ptr<Recording>> Stream::end_recording() {
  return Status(StatusCode::kUnsupported, "this device records no work");
}

const Tactic* Backend::find_tactic(std::string_view name) const {
  for (const TacticSource* source : tactic_sources()) {
    if (const Tactic* tactic = source->find(name)) return tactic;
  }
  return nullptr;
}

}  // namespace penstock::backends
