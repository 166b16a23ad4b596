// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <span>
#include <vector>

#include "backends/device_code.h"

namespace penstock::plan {

// The section of a plan that holds device code: a count, a record for each item, and the items'
// bytes, each at a multiple of 64 from the section's start. Equal items give equal bytes.

// `items` ascend by key. Empty where there are none.
std::vector<std::byte> write_code_section(const std::vector<backends::CodeItem>& items);

// Views into `section`, which is at a multiple of 64. Refuses records that lie outside of it, that
// do not ascend, that name no maker, and items that overlap or lie outside.
Result<std::vector<backends::CodeView>> read_code_section(std::span<const std::byte> section);

}  // namespace penstock::plan
