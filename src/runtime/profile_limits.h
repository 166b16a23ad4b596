// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/profile.h>
#include <penstock/status.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::runtime {

// Whether this input's shape, or its values, lie within one profile. The error names the input, the
// first extent or value that does not, and the limits; `profile_name` is "the profile", or
// "profile 1" where there are several.
Status check_shape(const OptimizationProfile& profile, std::string_view profile_name,
                   const std::string& input, const Shape& shape);
Status check_values(const OptimizationProfile& profile, std::string_view profile_name,
                    const std::string& input, std::span<const int64_t> values);

// The same of each profile: "profile 0 takes [1, 4] to [1, 4]; profile 1 takes [2, 4] to [8, 4]".
std::string shape_limits(const std::vector<OptimizationProfile>& profiles,
                         const std::string& input);
std::string value_limits(const std::vector<OptimizationProfile>& profiles,
                         const std::string& input);

}  // namespace penstock::runtime
