// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "ops/op_definition.h"

namespace penstock::ops {

// Operators that the application registered (penstock/custom_operator.h). As core operators they
// are named "domain::name".
std::string custom_op_name(std::string_view domain, std::string_view name);
bool is_custom_op_name(std::string_view name);

// Null where none is registered. What is returned stays valid to the end of the process.
const OpDefinition* find_custom_op(std::string_view name);
// The kernel, as tactic "reference.domain::name": the operator's own function is all there is.
const backends::Tactic* find_custom_tactic(std::string_view op);

}  // namespace penstock::ops
