// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/storage.h"

#include <string>

namespace penstock::ir {

Status check_storage(DataType dtype, const Shape& shape) {
  constexpr int64_t kMostBytes = int64_t{1} << 46;
  int64_t bytes = static_cast<int64_t>(size_of(dtype));
  bool fits = true;
  // Empty tensors too: their other extents are multiplied as well.
  for (int64_t extent : shape) {
    fits = fits && extent >= 0 && extent <= kMostBytes;
    if (fits && extent > 0) fits = !__builtin_mul_overflow(bytes, extent, &bytes);
    fits = fits && bytes <= kMostBytes;
  }
  if (fits) return Status::ok();
  return {StatusCode::kInvalidArgument, "a tensor of shape " + to_string(shape) +
                                            " is larger than any memory, or has a negative extent"};
}

}  // namespace penstock::ir
