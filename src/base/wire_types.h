// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <string_view>

namespace penstock {

// "FP32", "BYTES", ...: what the Open Inference Protocol calls a type, empty where it has no name
// for it; and back, kUndefined for a name that it does not have.
std::string_view wire_name(DataType dtype);
DataType parse_wire_name(std::string_view name);

}  // namespace penstock
