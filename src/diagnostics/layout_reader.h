// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <string_view>
#include <vector>

namespace penstock::diagnostics {

// Elements of a tensor in any layout, in row-major order, widened to double.
std::vector<double> read_row_major(DataType dtype, const Shape& shape, std::string_view layout,
                                   const void* data);

}  // namespace penstock::diagnostics
