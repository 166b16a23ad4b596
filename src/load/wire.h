// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::load {

// The wire format of Protocol Buffers, as far as requests of inference and descriptions of models
// go: varints and fields with a length (protobuf.dev, "Encoding"). A load generator needs a handful
// of fields, and its requests must be made without a copy of 16 MB for every message on the way.
void append_varint(std::string& to, uint64_t value);
// A field with a length: string, bytes, message or packed numbers.
void append_field(std::string& to, uint32_t number, std::string_view bytes);
void append_field_start(std::string& to, uint32_t number, uint64_t size);

struct WireField {
  uint32_t number = 0;
  std::optional<uint64_t> varint;  // else bytes
  std::string_view bytes;
};

// Walks over the fields of a message. Fields of a fixed width come with their bytes.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}
  // The next field; nothing at the end, or where the message is broken.
  std::optional<WireField> next();
  bool is_broken() const { return broken_; }
  std::optional<uint64_t> varint();
  bool at_end() const { return rest_.empty(); }

 private:
  std::optional<WireField> broken();
  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace penstock::load
