// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ir/layout.h"

namespace penstock::ops {

inline int64_t block_of(ir::Layout layout) {
  return layout == ir::Layout::kBlocked8 ? 8 : layout == ir::Layout::kBlocked16 ? 16 : 1;
}

// Where the element of that index lies in a tensor of `layout`, in elements: the definition of the
// layouts. Layouts other than row-major need a channel axis, which is axis 1.
inline int64_t layout_offset(const std::vector<int64_t>& index, const Shape& shape,
                             ir::Layout layout) {
  int64_t offset = 0;
  if (layout == ir::Layout::kPlain || shape.size() < 2) {
    for (size_t i = 0; i < shape.size(); ++i) offset = offset * shape[i] + index[i];
    return offset;
  }
  const int64_t block = layout == ir::Layout::kChannelsLast ? shape[1] : block_of(layout);
  offset = index[0] * ((shape[1] + block - 1) / block) + index[1] / block;
  for (size_t i = 2; i < shape.size(); ++i) offset = offset * shape[i] + index[i];
  return offset * block + index[1] % block;
}

}  // namespace penstock::ops
