// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/layout.h"

namespace penstock::ir {

std::string_view to_string(Layout layout) {
  switch (layout) {
    case Layout::kPlain: return "plain";
    case Layout::kChannelsLast: return "channels_last";
    case Layout::kBlocked8: return "blocked8";
    case Layout::kBlocked16: return "blocked16";
  }
  return "?";
}

std::optional<Layout> parse_layout(std::string_view name) {
  for (Layout layout :
       {Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16}) {
    if (to_string(layout) == name) return layout;
  }
  return std::nullopt;
}

size_t storage_bytes(DataType dtype, const Shape& shape, Layout layout) {
  int64_t count = element_count(shape);
  const int64_t block = layout == Layout::kBlocked8 ? 8 : layout == Layout::kBlocked16 ? 16 : 1;
  if (block > 1 && shape.size() >= 2 && shape[1] > 0) {
    count = count / shape[1] * ((shape[1] + block - 1) / block * block);
  }
  return static_cast<size_t>(count) * size_of(dtype);
}

}  // namespace penstock::ir
