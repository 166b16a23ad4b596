// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>
#include <png.h>

#include <gmock/gmock.h>

#include "ops/image/formats.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<uint8_t>;

OpCase decode_case(const Bytes& bytes, const std::string& pixels) {
  ir::Attributes attributes;
  attributes.set("pixel_format", pixels);
  return {"ImageDecoder",
          attributes,
          {tensor(DataType::kUInt8, {static_cast<int64_t>(bytes.size())},
                  {bytes.begin(), bytes.end()})},
          {DataType::kUInt8}};
}

HostTensor decode(const Bytes& bytes, const std::string& pixels = "RGB") {
  return reference(decode_case(bytes, pixels)).at(0);
}

HostTensor image(Shape shape, const std::vector<double>& values) {
  return tensor(DataType::kUInt8, std::move(shape), values);
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

// Red and green above blue and white.
const std::vector<double> kPixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};

TEST(ImageDecoder, PortableAnymaps) {
  EXPECT_TRUE(matches(
      decode(bytes_of("P3\n# four pixels\n2 2\n255\n255 0 0 0 255 0\n0 0 255 255 255 255\n")),
      image({2, 2, 3}, kPixels)));
  EXPECT_TRUE(matches(decode(bytes_of("P1 3 1 101"), "Grayscale"), image({1, 3, 1}, {0, 255, 0})));
  EXPECT_TRUE(matches(decode({'P', '4', ' ', '3', ' ', '1', '\n', 0xA0}, "Grayscale"),
                      image({1, 3, 1}, {0, 255, 0})));
  EXPECT_TRUE(
      matches(decode({'P', '5', ' ', '2', ' ', '1', ' ', '2', '5', '5', '\n', 7, 200}, "Grayscale"),
              image({1, 2, 1}, {7, 200})));
  EXPECT_TRUE(matches(decode({'P', '6', ' ', '1', ' ', '1', ' ', '3', '\n', 0, 1, 3}),
                      image({1, 1, 3}, {0, 85, 255})));
}

TEST(ImageDecoder, Bmp) {
  Bytes bmp(54 + 16);
  const auto put = [&](size_t at, Bytes values) {
    std::copy(values.begin(), values.end(), bmp.begin() + at);
  };
  put(0, {'B', 'M'});
  put(10, {54});
  put(14, {40});
  put(18, {2});
  put(22, {2});
  put(26, {1, 0, 24});
  put(54, {255, 0, 0, 255, 255, 255});  // the lower row first, blue first, filled up to four bytes
  put(62, {0, 0, 255, 0, 255, 0});
  EXPECT_TRUE(matches(decode(bmp), image({2, 2, 3}, kPixels)));
  EXPECT_TRUE(matches(decode(bmp, "BGR"),
                      image({2, 2, 3}, {0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255})));
  // Luma of red, green, blue and white.
  EXPECT_TRUE(matches(decode(bmp, "Grayscale"), image({2, 2, 1}, {76, 150, 29, 255})));
}

Bytes encode_png() {
  png_image png = {};
  png.version = PNG_IMAGE_VERSION;
  png.width = png.height = 2;
  png.format = PNG_FORMAT_RGB;
  const Bytes pixels(kPixels.begin(), kPixels.end());
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&png, nullptr, &size, 0, pixels.data(), 0, nullptr);
  Bytes bytes(size);
  png_image_write_to_memory(&png, bytes.data(), &size, 0, pixels.data(), 0, nullptr);
  return bytes;
}

TEST(ImageDecoder, Png) { EXPECT_TRUE(matches(decode(encode_png()), image({2, 2, 3}, kPixels))); }

// A square of one colour survives the loss.
Bytes encode_jpeg() {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = info.image_height = 8;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 100, TRUE);
  jpeg_start_compress(&info, TRUE);
  Bytes row(24, 200);
  JSAMPROW place = row.data();
  while (info.next_scanline < 8) jpeg_write_scanlines(&info, &place, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  Bytes bytes(memory, memory + size);
  std::free(memory);
  return bytes;
}

TEST(ImageDecoder, Jpeg) {
  EXPECT_TRUE(
      matches(decode(encode_jpeg(), "Grayscale"), image({8, 8, 1}, std::vector<double>(64, 200))));
}

TEST(ImageDecoder, BrokenStreamsHaveNoPixels) {
  // Behind the pixels there is an end mark, which a reader need not see.
  for (const Bytes& whole : {encode_png(), encode_jpeg()}) {
    for (size_t length = 0; length + 16 < whole.size(); ++length) {
      const HostTensor y = decode({whole.begin(), whole.begin() + static_cast<int64_t>(length)});
      EXPECT_EQ(y.shape, (Shape{0, 0, 3})) << length;
    }
  }
  EXPECT_EQ(decode(bytes_of("P3 1 1 255 1 2")).shape, (Shape{0, 0, 3}));
  EXPECT_EQ(decode(bytes_of("P5 1000000 1000000 255\n")).shape, (Shape{0, 0, 3}));
}

TEST(ImageDecoder, NamesFormatsThatItDoesNotRead) {
  EXPECT_THAT(reference_status(decode_case({'G', 'I', 'F', '8', '9', 'a'}, "RGB")).message(),
              HasSubstr("GIF"));
}

}  // namespace
}  // namespace penstock::ops::test
