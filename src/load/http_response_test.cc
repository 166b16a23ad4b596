// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/http_response.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace penstock::load {
namespace {

// The same in one piece, and a byte at a time; the answer is what is left over.
std::string read_all(HttpResponse& response, const std::string& text, bool in_pieces) {
  std::string_view rest = text;
  if (!in_pieces) {
    EXPECT_TRUE(response.read(rest)) << response.problem();
    return std::string(rest);
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (response.done()) return text.substr(i);
    std::string_view piece = rest.substr(i, 1);
    EXPECT_TRUE(response.read(piece)) << response.problem();
  }
  return "";
}

class LoadHttpResponse : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Pieces, LoadHttpResponse, testing::Bool());

TEST_P(LoadHttpResponse, WithALength) {
  HttpResponse response(100);
  const std::string rest = read_all(
      response, "HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH: 5\r\n\r\nhelloHTTP", GetParam());
  EXPECT_TRUE(response.done());
  EXPECT_EQ(response.status(), 200);
  EXPECT_TRUE(response.keeps_connection());
  EXPECT_EQ(response.body(), "hello");
  EXPECT_EQ(rest, "HTTP");
}

TEST_P(LoadHttpResponse, InChunks) {
  HttpResponse response(100);
  read_all(response,
           "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
           "5\r\nhello\r\nA; x=y\r\n, 9 others\r\n0\r\nTrailer: t\r\n\r\n",
           GetParam());
  EXPECT_TRUE(response.done());
  EXPECT_EQ(response.status(), 503);
  EXPECT_FALSE(response.keeps_connection());
  EXPECT_EQ(response.body(), "hello, 9 others");
}

TEST_P(LoadHttpResponse, UntilTheEnd) {
  HttpResponse response;
  read_all(response, "HTTP/1.0 400 Bad\r\n\r\nno", GetParam());
  EXPECT_FALSE(response.done());
  EXPECT_TRUE(response.end());
  EXPECT_FALSE(response.keeps_connection());
  EXPECT_EQ(response.body(), "no");
}

TEST_P(LoadHttpResponse, AfterContinue) {
  HttpResponse response;
  read_all(response, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", GetParam());
  EXPECT_TRUE(response.done());
  EXPECT_EQ(response.status(), 204);
}

TEST(LoadHttpResponseErrors, AreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP/1 response: 'SSH-2.0-OpenSSH'"},
      {"HTTP/1.1 2x0 OK\r\n\r\n", "no HTTP/1 response"},
      {"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "without a colon"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "no number"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "two lengths"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "other than chunked"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "size is no number"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "does not end"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'x'), "more than 64 KiB"},
  };
  for (const auto& [text, problem] : cases) {
    HttpResponse response;
    std::string_view bytes = text;
    EXPECT_FALSE(response.read(bytes)) << text;
    EXPECT_THAT(response.problem(), testing::HasSubstr(problem));
  }
  HttpResponse cut;
  std::string_view bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
  EXPECT_TRUE(cut.read(bytes));
  EXPECT_EQ(cut.skippable(), 1U);
  EXPECT_FALSE(cut.end());
}

}  // namespace
}  // namespace penstock::load
