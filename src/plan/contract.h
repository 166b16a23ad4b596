// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/input_contract.h>
#include <penstock/status.h>

namespace penstock::plan {

// kInvalidArgument where the numbers make no sense; the message says which.
Status check(const InputContract& contract);

}  // namespace penstock::plan
