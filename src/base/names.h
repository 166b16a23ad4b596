// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// "did you mean 'images'? Known are: 'images', 'mask'": the nearest name by edit distance, and all
// of them, for messages about a name that does not exist.
std::string suggest(std::string_view wrong, const std::vector<std::string>& known);

}  // namespace penstock
