// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include "ops/image/formats.h"

namespace penstock::ops {
namespace {

struct ErrorManager {
  jpeg_error_mgr base;  // first, so that the library's pointer to it is one to this
  std::jmp_buf escape;
};

[[noreturn]] void leave(j_common_ptr info) {
  std::longjmp(reinterpret_cast<ErrorManager*>(info->err)->escape, 1);
}

// Of the warnings, only that data is missing makes an image broken.
void count_missing(j_common_ptr info, int) {
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER) ++info->err->num_warnings;
}

// What libjpeg does not turn into RGB itself. Adobe writes these four inverted.
void from_cmyk(const uint8_t* cmyk, uint8_t* rgb, int64_t width) {
  for (int64_t x = 0; x < width; ++x) {
    for (int c = 0; c < 3; ++c) {
      rgb[x * 3 + c] = static_cast<uint8_t>(cmyk[x * 4 + c] * cmyk[x * 4 + 3] / 255);
    }
  }
}

// Nothing in here needs a destructor: an error jumps out of it.
bool read_rows(jpeg_decompress_struct& info, Image& image, std::vector<uint8_t>& row) {
  auto* errors = reinterpret_cast<ErrorManager*>(info.err);
  if (setjmp(errors->escape) != 0) return false;
  jpeg_start_decompress(&info);
  const bool is_cmyk = info.out_color_space == JCS_CMYK;
  while (info.output_scanline < info.output_height) {
    uint8_t* target = image.pixel(info.output_scanline, 0);
    JSAMPROW place = is_cmyk ? row.data() : target;
    jpeg_read_scanlines(&info, &place, 1);
    if (is_cmyk) from_cmyk(row.data(), target, image.width);
  }
  jpeg_finish_decompress(&info);
  return info.err->num_warnings == 0;
}

bool read_header(jpeg_decompress_struct& info, Encoded bytes) {
  auto* errors = reinterpret_cast<ErrorManager*>(info.err);
  if (setjmp(errors->escape) != 0) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  if (jpeg_read_header(&info, TRUE) != JPEG_HEADER_OK) return false;
  const bool is_cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  return true;
}

}  // namespace

std::optional<Image> decode_jpeg(Encoded bytes) {
  jpeg_decompress_struct info = {};
  ErrorManager errors;
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave;
  errors.base.emit_message = count_missing;
  std::optional<Image> image;
  if (read_header(info, bytes)) image = make_image(info.image_height, info.image_width);
  if (image) {
    std::vector<uint8_t> row(static_cast<size_t>(image->width) * 4);
    if (!read_rows(info, *image, row)) image.reset();
  }
  jpeg_destroy_decompress(&info);
  return image;
}

}  // namespace penstock::ops
