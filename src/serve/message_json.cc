// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/message_json.h"

#include <google/protobuf/descriptor.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "serve/base64.h"

namespace penstock::serve {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void append_message(const Message& message, std::string& json);

template <typename T>
void append_integer(T value, std::string& json) {
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  json.append(text.data(), end.ptr);
}

template <typename T>
void append_floating(T value, std::string& json) {
  if (!std::isfinite(value)) {
    json += "null";
    return;
  }
  std::array<char, 40> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  json.append(text.data(), end.ptr);
}

// Reads the field, or its element `i` where it is repeated.
template <typename Single, typename Element>
auto read(const Message& message, const FieldDescriptor* field, int i, Single single,
          Element element) {
  const Reflection& reflection = *message.GetReflection();
  return i < 0 ? (reflection.*single)(message, field) : (reflection.*element)(message, field, i);
}

void append_text(const Message& message, const FieldDescriptor* field, int i, std::string& json) {
  const std::string text =
      read(message, field, i, &Reflection::GetString, &Reflection::GetRepeatedString);
  const bool is_bytes = field->type() == FieldDescriptor::TYPE_BYTES;
  append_json_string(is_bytes ? encode_base64(text) : text, json);
}

void append_value(const Message& message, const FieldDescriptor* field, int i, std::string& json) {
  const Reflection& reflection = *message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return append_integer(
          read(message, field, i, &Reflection::GetInt32, &Reflection::GetRepeatedInt32), json);
    case FieldDescriptor::CPPTYPE_INT64:
      return append_integer(
          read(message, field, i, &Reflection::GetInt64, &Reflection::GetRepeatedInt64), json);
    case FieldDescriptor::CPPTYPE_UINT32:
      return append_integer(
          read(message, field, i, &Reflection::GetUInt32, &Reflection::GetRepeatedUInt32), json);
    case FieldDescriptor::CPPTYPE_UINT64:
      return append_integer(
          read(message, field, i, &Reflection::GetUInt64, &Reflection::GetRepeatedUInt64), json);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return append_json_number(
          read(message, field, i, &Reflection::GetDouble, &Reflection::GetRepeatedDouble), json);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return append_json_number(
          read(message, field, i, &Reflection::GetFloat, &Reflection::GetRepeatedFloat), json);
    case FieldDescriptor::CPPTYPE_BOOL:
      json += read(message, field, i, &Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true"
                                                                                          : "false";
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = i < 0 ? reflection.GetEnum(message, field)
                                : reflection.GetRepeatedEnum(message, field, i);
      return append_json_string(value->name(), json);
    }
    case FieldDescriptor::CPPTYPE_STRING: return append_text(message, field, i, json);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return append_message(i < 0 ? reflection.GetMessage(message, field)
                                  : reflection.GetRepeatedMessage(message, field, i),
                            json);
  }
}

void append_map(const Message& message, const FieldDescriptor* field, std::string& json) {
  const int count = message.GetReflection()->FieldSize(message, field);
  json += '{';
  for (int i = 0; i < count; ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
    std::string key;
    append_value(entry, entry.GetDescriptor()->map_key(), -1, key);
    if (i > 0) json += ',';
    if (key.front() == '"') {
      json += key;
    } else {
      json += '"' + key + '"';
    }
    json += ':';
    append_value(entry, entry.GetDescriptor()->map_value(), -1, json);
  }
  json += '}';
}

void append_field(const Message& message, const FieldDescriptor* field, std::string& json) {
  if (field->is_map()) return append_map(message, field, json);
  if (!field->is_repeated()) return append_value(message, field, -1, json);
  json += '[';
  const int count = message.GetReflection()->FieldSize(message, field);
  for (int i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    append_value(message, field, i, json);
  }
  json += ']';
}

bool is_written(const Message& message, const FieldDescriptor* field) {
  if (field->is_repeated() || !field->has_presence()) return true;
  return message.GetReflection()->HasField(message, field);
}

void append_message(const Message& message, std::string& json) {
  json += '{';
  bool is_first = true;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (!is_written(message, field)) continue;
    if (!is_first) json += ',';
    is_first = false;
    json += '"' + field->name() + "\":";
    append_field(message, field, json);
  }
  json += '}';
}

// Characters that stand for themselves up to the first that does not.
size_t plain_prefix(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
    ++i;
  }
  return i;
}

void append_escape(char c, std::string& json) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"': json += "\\\""; return;
    case '\\': json += "\\\\"; return;
    case '\n': json += "\\n"; return;
    case '\r': json += "\\r"; return;
    case '\t': json += "\\t"; return;
    default:
      json += "\\u00";
      json += kHex[static_cast<unsigned char>(c) >> 4];
      json += kHex[static_cast<unsigned char>(c) & 15];
  }
}

}  // namespace

std::string to_json(const Message& message) {
  std::string json;
  append_message(message, json);
  return json;
}

void append_json_string(std::string_view text, std::string& json) {
  json += '"';
  while (!text.empty()) {
    const size_t plain = plain_prefix(text);
    json += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (static_cast<unsigned char>(text.front()) < 0x80) {
      append_escape(text.front(), json);
      text.remove_prefix(1);
      continue;
    }
    size_t next = 0;
    append_utf8(next_character(text, next), json);
    text.remove_prefix(next);
  }
  json += '"';
}

void append_json_number(double value, std::string& json) { append_floating(value, json); }
void append_json_number(float value, std::string& json) { append_floating(value, json); }

}  // namespace penstock::serve
