// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/types.h>

#include <map>
#include <string>
#include <string_view>

namespace penstock::cli {

// trtexec's syntax: "input:1x3x224x224,mask:1x128". A scalar is "name:".
Result<std::map<std::string, Shape>> parse_shapes(std::string_view text);
// "1x3x224x224"
std::string shape_text(const Shape& shape);

}  // namespace penstock::cli
