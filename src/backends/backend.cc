// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/backend.h"

namespace penstock::backends {

const Tactic* Backend::find_tactic(std::string_view name) const {
  for (const TacticSource* source : tactic_sources()) {
    if (const Tactic* tactic = source->find(name)) return tactic;
  }
  return nullptr;
}

}  // namespace penstock::backends
