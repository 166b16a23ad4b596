// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/types.h>

namespace penstock::ir {

// An error unless a tensor of that shape could be stored: extents are not negative, and its size is
// one that memory has, so that what is computed from it does not overflow.
Status check_storage(DataType dtype, const Shape& shape);

}  // namespace penstock::ir
