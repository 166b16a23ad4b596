// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/late.h"

#include <algorithm>

#include "ir/graph.h"

namespace penstock::ir {

bool is_late(const Attributes& attributes, bool has_bodies, bool in_body, bool touches_late) {
  return has_bodies || in_body || touches_late ||
         std::any_of(attributes.all().begin(), attributes.all().end(), [](const auto& attribute) {
           const auto* shape = std::get_if<SymbolicShape>(&attribute.second);
           return shape != nullptr && is_data_dependent(*shape);
         });
}

}  // namespace penstock::ir
