// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Formats that hardly compress, read without a library: BMP and the portable anymaps.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ops/image/formats.h"

namespace penstock::ops {
namespace {

// Little-endian numbers; 0 behind the end.
template <typename T>
T number_at(Encoded bytes, size_t at) {
  T value = 0;
  if (at <= bytes.size() && bytes.size() - at >= sizeof(T)) {
    std::memcpy(&value, bytes.data() + at, sizeof(T));
  }
  return value;
}

struct BmpHeader {
  size_t pixels = 0;
  size_t palette = 0;
  size_t colours = 0;
  int64_t width = 0;
  int64_t height = 0;
  bool from_top = false;
  unsigned bits = 0;
};

std::optional<BmpHeader> read_bmp_header(Encoded bytes) {
  constexpr size_t kFileHeader = 14;
  BmpHeader header;
  const auto size = number_at<uint32_t>(bytes, kFileHeader);
  const auto compression = number_at<uint32_t>(bytes, 30);
  if (bytes.size() < 54 || size < 40 || compression != 0) return std::nullopt;
  header.pixels = number_at<uint32_t>(bytes, 10);
  header.palette = kFileHeader + size;
  header.width = number_at<int32_t>(bytes, 18);
  header.height = number_at<int32_t>(bytes, 22);
  header.from_top = header.height < 0;
  header.height = std::abs(header.height);
  header.bits = number_at<uint16_t>(bytes, 28);
  header.colours = number_at<uint32_t>(bytes, 46);
  if (header.colours == 0 && header.bits <= 8) header.colours = size_t{1} << header.bits;
  const bool known = header.bits == 1 || header.bits == 4 || header.bits == 8 ||
                     header.bits == 24 || header.bits == 32;
  return known ? std::optional(header) : std::nullopt;
}

// Numbers of an anymap's header, with comments between them.
class AnymapReader {
 public:
  explicit AnymapReader(Encoded bytes) : bytes_(bytes) {}

  std::optional<int64_t> number() {
    skip_space();
    if (!is_digit()) return std::nullopt;
    int64_t value = 0;
    while (is_digit() && value < (int64_t{1} << 32)) value = value * 10 + (bytes_[at_++] - '0');
    return value;
  }
  // The digit of a bitmap, which needs no space around it.
  std::optional<int64_t> bit() {
    skip_space();
    if (!is_digit() || bytes_[at_] > '1') return std::nullopt;
    return bytes_[at_++] - '0';
  }
  // What comes after the one space that ends the header.
  Encoded rest() const { return bytes_.subspan(std::min(at_ + 1, bytes_.size())); }

 private:
  bool is_digit() const { return at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; }
  void skip_space() {
    while (at_ < bytes_.size() && (bytes_[at_] == '#' || bytes_[at_] <= ' ')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      } else {
        ++at_;
      }
    }
  }

  Encoded bytes_;
  size_t at_ = 2;  // behind the magic number
};

// Samples as numbers one after the other: P1 to P3.
bool read_text_samples(AnymapReader& reader, bool is_bitmap, std::vector<int64_t>& samples) {
  for (int64_t& sample : samples) {
    const std::optional<int64_t> value = is_bitmap ? reader.bit() : reader.number();
    if (!value) return false;
    sample = *value;
  }
  return true;
}

// P4: eight pixels a byte, each row from a new byte on.
bool read_bits(Encoded data, int64_t width, std::vector<int64_t>& samples) {
  const size_t row = static_cast<size_t>(width + 7) / 8;
  for (size_t i = 0; i < samples.size(); ++i) {
    const size_t x = i % static_cast<size_t>(width);
    const size_t byte = i / static_cast<size_t>(width) * row + x / 8;
    if (byte >= data.size()) return false;
    samples[i] = data[byte] >> (7 - x % 8) & 1;
  }
  return true;
}

// P5 and P6: one byte, or two where the largest value needs them, the high one first.
bool read_bytes(Encoded data, int64_t largest, std::vector<int64_t>& samples) {
  const size_t size = largest > 255 ? 2 : 1;
  if (data.size() / size < samples.size()) return false;
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = size == 1 ? data[i] : data[2 * i] * 256 + data[2 * i + 1];
  }
  return true;
}

}  // namespace

std::optional<Image> make_image(int64_t height, int64_t width) {
  constexpr int64_t kLongest = int64_t{1} << 20;
  constexpr int64_t kMostPixels = int64_t{1} << 28;
  if (height < 1 || width < 1 || height > kLongest || width > kLongest ||
      height * width > kMostPixels) {
    return std::nullopt;
  }
  return Image{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width) * 3)};
}

std::optional<Image> decode_bmp(Encoded bytes) {
  const std::optional<BmpHeader> header = read_bmp_header(bytes);
  if (!header) return std::nullopt;
  const size_t row = (static_cast<size_t>(header->width) * header->bits + 31) / 32 * 4;
  if (header->width < 1 || header->height < 1 || header->pixels > bytes.size() ||
      (bytes.size() - header->pixels) / row < static_cast<size_t>(header->height)) {
    return std::nullopt;
  }
  std::optional<Image> image = make_image(header->height, header->width);
  if (!image) return image;
  for (int64_t y = 0; y < image->height; ++y) {
    const int64_t from = header->from_top ? y : image->height - 1 - y;
    const uint8_t* line = bytes.data() + header->pixels + static_cast<size_t>(from) * row;
    for (int64_t x = 0; x < image->width; ++x) {
      const uint8_t* bgr = line + x * (header->bits / 8);
      if (header->bits <= 8) {
        const int64_t bit = x * header->bits;
        const unsigned shift = 8 - header->bits - static_cast<unsigned>(bit % 8);
        const size_t index = line[bit / 8] >> shift & ((1U << header->bits) - 1);
        const size_t place = header->palette + index * 4;
        if (index >= header->colours || place + 3 > bytes.size()) return std::nullopt;
        bgr = bytes.data() + place;
      }
      std::reverse_copy(bgr, bgr + 3, image->pixel(y, x));
    }
  }
  return image;
}

std::optional<Image> decode_pnm(Encoded bytes) {
  if (bytes.size() < 3) return std::nullopt;
  const char kind = static_cast<char>(bytes[1]);  // '1' to '6'
  const bool is_bitmap = kind == '1' || kind == '4';
  const bool is_colour = kind == '3' || kind == '6';
  AnymapReader reader(bytes);
  const std::optional<int64_t> width = reader.number();
  const std::optional<int64_t> height = reader.number();
  const std::optional<int64_t> largest = is_bitmap ? std::optional<int64_t>(1) : reader.number();
  if (!width || !height || !largest || *largest < 1 || *largest > 65535) return std::nullopt;
  // Each pixel takes a bit at least: a header that claims more than there is asks for no memory.
  if (*width > (1 << 20) || *height > (1 << 20) ||
      static_cast<size_t>(*width * *height) / 8 > bytes.size()) {
    return std::nullopt;
  }
  std::optional<Image> image = make_image(*height, *width);
  if (!image) return image;
  std::vector<int64_t> samples(image->rgb.size() / (is_colour ? 1 : 3));
  const bool is_read = kind <= '3' ? read_text_samples(reader, is_bitmap, samples)
                       : is_bitmap ? read_bits(reader.rest(), *width, samples)
                                   : read_bytes(reader.rest(), *largest, samples);
  if (!is_read) return std::nullopt;
  for (size_t i = 0; i < image->rgb.size(); ++i) {
    int64_t sample = std::min(samples[is_colour ? i : i / 3], *largest);
    if (is_bitmap) sample = 1 - sample;  // 1 is black
    image->rgb[i] = static_cast<uint8_t>((sample * 255 + *largest / 2) / *largest);
  }
  return image;
}

}  // namespace penstock::ops
