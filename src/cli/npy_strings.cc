// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/npy_strings.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/utf8.h"

namespace penstock::cli {
namespace {

std::u32string decode(std::string_view utf8) {
  std::u32string characters;
  for (size_t at = 0; at < utf8.size();) characters += next_character(utf8, at);
  return characters;
}

size_t widest(const Shape& shape, const StringRef* strings) {
  size_t width = 1;
  for (int64_t i = 0; i < element_count(shape); ++i) {
    width = std::max(width, decode(strings[i].view()).size());
  }
  return width;
}

}  // namespace

int64_t unicode_width(std::string_view descriptor) {
  if (descriptor.substr(0, 2) != "<U") return -1;
  int64_t width = -1;
  std::from_chars(descriptor.data() + 2, descriptor.data() + descriptor.size(), width);
  return width;
}

Result<Tensor> read_unicode(std::istream& file, const Shape& shape, int64_t width) {
  std::vector<std::string> texts;
  const int64_t count = element_count(shape);
  // An empty array may claim any width.
  std::vector<char32_t> characters(count == 0 ? 0 : static_cast<size_t>(width));
  for (int64_t i = 0; i < count; ++i) {
    file.read(reinterpret_cast<char*>(characters.data()), width * 4);
    const auto end =
        std::find_if(characters.rbegin(), characters.rend(), [](char32_t c) { return c != 0; });
    std::string& text = texts.emplace_back();
    for (auto at = characters.begin(); at != end.base(); ++at) append_utf8(*at, text);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return Tensor::from_strings(shape, views);
}

std::string unicode_descriptor(const Shape& shape, const StringRef* strings) {
  return "<U" + std::to_string(widest(shape, strings));
}

std::string unicode_bytes(const Shape& shape, const StringRef* strings) {
  const size_t width = widest(shape, strings);
  std::string bytes;
  for (int64_t i = 0; i < element_count(shape); ++i) {
    std::u32string characters = decode(strings[i].view());
    characters.resize(width);
    bytes.append(reinterpret_cast<const char*>(characters.data()), width * 4);
  }
  return bytes;
}

}  // namespace penstock::cli
