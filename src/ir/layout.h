// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace penstock::ir {

// How a tensor's elements lie in memory. Shapes are always written in the model's order; for rank 4
// [N, C, H, W], kChannelsLast stores N H W C, and kBlocked8/16 store N C/b H W b with C padded to
// b.
enum class Layout : uint8_t { kPlain, kChannelsLast, kBlocked8, kBlocked16 };

std::string_view to_string(Layout layout);
std::optional<Layout> parse_layout(std::string_view name);

// Bytes that a tensor occupies, padding of blocked layouts included.
size_t storage_bytes(DataType dtype, const Shape& shape, Layout layout);

}  // namespace penstock::ir
