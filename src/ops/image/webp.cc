// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <webp/decode.h>

#include "ops/image/formats.h"

namespace penstock::ops {

std::optional<Image> decode_webp(Encoded bytes) {
  int width = 0;
  int height = 0;
  if (WebPGetInfo(bytes.data(), bytes.size(), &width, &height) == 0) return std::nullopt;
  std::optional<Image> image = make_image(height, width);
  if (image && WebPDecodeRGBInto(bytes.data(), bytes.size(), image->rgb.data(), image->rgb.size(),
                                 width * 3) == nullptr) {
    image.reset();
  }
  return image;
}

}  // namespace penstock::ops
