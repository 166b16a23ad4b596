// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace penstock::ops {

// Rows from the top, pixels of red, green and blue.
struct Image {
  int64_t height = 0;
  int64_t width = 0;
  std::vector<uint8_t> rgb;

  uint8_t* pixel(int64_t y, int64_t x) { return rgb.data() + (y * width + x) * 3; }
};

using Encoded = std::span<const uint8_t>;

// Black, or nothing where no image is that large: sides of 1 to 2^20, 2^28 pixels at most.
std::optional<Image> make_image(int64_t height, int64_t width);

// One function a format; nothing where the bytes are no complete image of it.
std::optional<Image> decode_jpeg(Encoded bytes);
std::optional<Image> decode_png(Encoded bytes);
std::optional<Image> decode_webp(Encoded bytes);
std::optional<Image> decode_tiff(Encoded bytes);
std::optional<Image> decode_jpeg2000(Encoded bytes);
std::optional<Image> decode_bmp(Encoded bytes);
std::optional<Image> decode_pnm(Encoded bytes);

}  // namespace penstock::ops
