// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>

namespace penstock::serve {

// A message as Triton's HTTP front end writes it: names of the .proto file, numbers of 64 bits as
// numbers, enums by name, bytes in base64, plain fields also where they have their default value,
// messages and members of a oneof only where they are set.
std::string to_json(const google::protobuf::Message& message);

// "text" in quotes, escaped; what is no UTF-8 becomes U+FFFD.
void append_json_string(std::string_view text, std::string& json);
// The shortest text that reads back as the same number; null where there is none (NaN, infinities).
void append_json_number(double value, std::string& json);
void append_json_number(float value, std::string& json);

}  // namespace penstock::serve
