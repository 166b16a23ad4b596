// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <tiffio.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "ops/image/formats.h"

namespace penstock::ops {
namespace {

// A file in memory, as libtiff wants to read it.
struct Reader {
  Encoded bytes;
  size_t at = 0;
};

Reader& reader_of(thandle_t handle) { return *static_cast<Reader*>(handle); }

tmsize_t read(thandle_t handle, void* to, tmsize_t size) {
  Reader& reader = reader_of(handle);
  const size_t left = reader.bytes.size() - std::min(reader.at, reader.bytes.size());
  const size_t count = std::min(static_cast<size_t>(size), left);
  if (count > 0) std::memcpy(to, reader.bytes.data() + reader.at, count);
  reader.at += count;
  return static_cast<tmsize_t>(count);
}

tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Reader& reader = reader_of(handle);
  const size_t base = whence == SEEK_CUR ? reader.at : whence == SEEK_END ? reader.bytes.size() : 0;
  reader.at = base + static_cast<size_t>(offset);
  return reader.at;
}

int close(thandle_t) { return 0; }
toff_t size(thandle_t handle) { return reader_of(handle).bytes.size(); }
int map(thandle_t, void**, toff_t*) { return 0; }
void unmap(thandle_t, void*, toff_t) {}

bool read_pixels(TIFF* tiff, Image& image) {
  std::vector<uint32_t> rgba(image.rgb.size() / 3);
  if (TIFFReadRGBAImageOriented(tiff, static_cast<uint32_t>(image.width),
                                static_cast<uint32_t>(image.height), rgba.data(),
                                ORIENTATION_TOPLEFT, 1) == 0) {
    return false;
  }
  for (size_t i = 0; i < rgba.size(); ++i) {
    image.rgb[i * 3] = TIFFGetR(rgba[i]);
    image.rgb[i * 3 + 1] = TIFFGetG(rgba[i]);
    image.rgb[i * 3 + 2] = TIFFGetB(rgba[i]);
  }
  return true;
}

// The library prints to stderr unless it is told otherwise, for the whole process.
void silence() {
  static const bool kDone = [] {
    TIFFSetErrorHandler(nullptr);
    TIFFSetWarningHandler(nullptr);
    return true;
  }();
  (void)kDone;
}

}  // namespace

std::optional<Image> decode_tiff(Encoded bytes) {
  silence();
  Reader reader{bytes};
  TIFF* tiff = TIFFClientOpen("image", "rm", &reader, read, write, seek, close, size, map, unmap);
  if (tiff == nullptr) return std::nullopt;
  uint32_t width = 0;
  uint32_t height = 0;
  std::optional<Image> image;
  if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) == 1 &&
      TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height) == 1) {
    image = make_image(height, width);
  }
  if (image && !read_pixels(tiff, *image)) image.reset();
  TIFFClose(tiff);
  return image;
}

}  // namespace penstock::ops
