// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/inference.h"

#include <gtest/gtest.h>

namespace penstock::serve {
namespace {

using std::string_literals::operator""s;

TEST(WireStrings, ComeBackAsTheyWent) {
  const std::string bytes = "\x03\0\0\0abc\0\0\0\0\x01\0\0\0z"s;
  const Answer<std::vector<StringRef>> strings = parse_strings(bytes, 3);
  ASSERT_TRUE(strings.is_ok()) << strings.status().message();
  EXPECT_EQ((*strings)[0].view(), "abc");
  EXPECT_EQ((*strings)[1].view(), "");
  EXPECT_EQ((*strings)[2].view(), "z");
  const TensorView tensor{"s", DataType::kString, {3}, strings->data(), 3 * sizeof(StringRef)};
  EXPECT_EQ(serialized_size(tensor), bytes.size());
  std::string again;
  serialize_strings(tensor, again);
  EXPECT_EQ(again, bytes);
}

TEST(WireStrings, OfWrongLengthAreRefused) {
  EXPECT_FALSE(parse_strings("\x03\0\0\0ab"s, 1).is_ok());
  EXPECT_FALSE(parse_strings("\x01\0\0\0ab"s, 1).is_ok());
  EXPECT_FALSE(parse_strings("\xff\xff\xff\xff"s, 1).is_ok());
  EXPECT_FALSE(parse_strings("\0\0\0"s, 1).is_ok());
  EXPECT_FALSE(parse_strings("", int64_t{1} << 60).is_ok());
  EXPECT_FALSE(parse_strings("", -1).is_ok());
  EXPECT_TRUE(parse_strings("", 0).is_ok());
}

TEST(Errors, BecomeHttpStatuses) {
  EXPECT_EQ(Error(ErrorCode::kUnavailable, "").http_status(), 503);
  EXPECT_EQ(Error(ErrorCode::kAlreadyExists, "").http_status(), 400);
  EXPECT_EQ(Error(Status(StatusCode::kNotFound, "no")).http_status(), 404);
  EXPECT_TRUE(Error(Status::ok()).is_ok());
}

}  // namespace
}  // namespace penstock::serve
