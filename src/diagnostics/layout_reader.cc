// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "diagnostics/layout_reader.h"

#include "base/small_types.h"
#include "ir/layout.h"
#include "ops/reference_util.h"

namespace penstock::diagnostics {
namespace {

// Offset of [n, c, rest...] where `inner` is the product of the extents after the channels.
int64_t offset_of(ir::Layout layout, int64_t n, int64_t c, int64_t i, int64_t channels,
                  int64_t inner) {
  if (layout == ir::Layout::kChannelsLast) return (n * inner + i) * channels + c;
  const int64_t block = layout == ir::Layout::kBlocked8 ? 8 : 16;
  const int64_t blocks = (channels + block - 1) / block;
  return ((n * blocks + c / block) * inner + i) * block + c % block;
}

template <typename T>
std::vector<double> read(const Shape& shape, ir::Layout layout, const T* data) {
  const int64_t count = element_count(shape);
  std::vector<double> values(static_cast<size_t>(count));
  const auto widen = [](T value) {
    return static_cast<double>(static_cast<ops::Compute<T>>(value));
  };
  if (layout == ir::Layout::kPlain || shape.size() < 3 || count == 0) {
    for (int64_t i = 0; i < count; ++i) values[i] = widen(data[i]);
    return values;
  }
  const int64_t channels = shape[1];
  const int64_t inner = count / shape[0] / channels;
  size_t next = 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < inner; ++i) {
        values[next++] = widen(data[offset_of(layout, n, c, i, channels, inner)]);
      }
    }
  }
  return values;
}

}  // namespace

std::vector<double> read_row_major(DataType dtype, const Shape& shape, std::string_view layout,
                                   const void* data) {
  std::vector<double> values;
  if (is_small(dtype)) {  // always row-major
    const auto* bits = static_cast<const uint8_t*>(data);
    for (int64_t i = 0; i < element_count(shape); ++i) {
      values.push_back(small_to_double(dtype, bits[i]));
    }
    return values;
  }
  const ir::Layout parsed = ir::parse_layout(layout).value_or(ir::Layout::kPlain);
  const Status status = ops::dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    values = read(shape, parsed, static_cast<const T*>(data));
    return Status::ok();
  });
  if (!status.is_ok()) values.clear();
  return values;
}

}  // namespace penstock::diagnostics
