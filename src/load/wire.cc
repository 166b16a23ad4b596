// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/wire.h"

namespace penstock::load {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kFixed64 = 1;
constexpr unsigned kLength = 2;
constexpr unsigned kFixed32 = 5;

}  // namespace

void append_varint(std::string& to, uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

void append_field_start(std::string& to, uint32_t number, uint64_t size) {
  append_varint(to, (uint64_t{number} << 3) | kLength);
  append_varint(to, size);
}

void append_field(std::string& to, uint32_t number, std::string_view bytes) {
  append_field_start(to, number, bytes.size());
  to.append(bytes);
}

std::optional<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  broken_ = true;
  return std::nullopt;
}

std::optional<WireField> WireReader::broken() {
  broken_ = true;
  rest_ = {};
  return std::nullopt;
}

std::optional<WireField> WireReader::next() {
  if (rest_.empty()) return std::nullopt;
  const auto tag = varint();
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > UINT32_MAX) return broken();
  WireField field;
  field.number = static_cast<uint32_t>(*tag >> 3);
  uint64_t size = 0;
  switch (*tag & 7U) {
    case kVarint: field.varint = varint(); return field.varint ? std::optional(field) : broken();
    case kFixed64: size = 8; break;
    case kFixed32: size = 4; break;
    case kLength: {
      const auto length = varint();
      if (!length) return broken();
      size = *length;
      break;
    }
    default: return broken();
  }
  if (size > rest_.size()) return broken();
  field.bytes = rest_.substr(0, static_cast<size_t>(size));
  rest_.remove_prefix(static_cast<size_t>(size));
  return field;
}

}  // namespace penstock::load
