// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Readers of what clients send.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "serve/http/compression.h"
#include "serve/http/head_parser.h"
#include "serve/http/infer_request.h"
#include "serve/http/router.h"

namespace penstock::serve::http {
namespace {

using testing::HasSubstr;

// With the room behind it that parsers ask for.
struct Body {
  explicit Body(std::string_view text) : memory(text) { memory.append(Request::kPadding, '\0'); }
  std::string_view view() const { return {memory.data(), memory.size() - Request::kPadding}; }
  std::string memory;
};

std::string error_of(std::string_view json, std::optional<uint64_t> length = std::nullopt) {
  const Body body(json);
  return parse_inference(body.view(), length, Limits()).status().message();
}

std::string input(const std::string& facts) { return "{\"inputs\":[{" + facts + "}]}"; }

TEST(InferRequest, ReadsNestedAndFlatNumbers) {
  for (const char* data : {"[1,2,3,4]", "[[1,2],[3,4]]"}) {
    const Body body(
        input(std::string(R"("name":"x","datatype":"INT32","shape":[2,2],"data":)") + data));
    const Answer<ParsedInference> parsed = parse_inference(body.view(), std::nullopt, Limits());
    ASSERT_TRUE(parsed.is_ok()) << parsed.status().message();
    const auto* values = static_cast<const int32_t*>(parsed->inputs[0].data);
    EXPECT_EQ(values[3], 4);
    EXPECT_EQ(parsed->inputs[0].bytes, 16U);
  }
}

TEST(InferRequest, ReadsBinaryBehindTheJson) {
  const std::string json =
      input(R"("name":"x","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":7})");
  const Body body(json + std::string("\x03\0\0\0abc", 7));
  const Answer<ParsedInference> parsed = parse_inference(body.view(), json.size(), Limits());
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().message();
  EXPECT_EQ(static_cast<const StringRef*>(parsed->inputs[0].data)->view(), "abc");
  EXPECT_THAT(parse_inference(body.view(), json.size() - 1, Limits()).status().message(),
              HasSubstr("JSON"));
}

TEST(InferRequest, TellsWhatIsWrong) {
  EXPECT_THAT(error_of("[]"), HasSubstr("object"));
  EXPECT_THAT(error_of("{"), HasSubstr("JSON"));
  EXPECT_THAT(error_of("{}"), HasSubstr("inputs"));
  EXPECT_THAT(error_of("{}", 3), HasSubstr("Inference-Header-Content-Length"));
  EXPECT_THAT(error_of(R"({"id":5,"inputs":[]})"), HasSubstr("id"));
  EXPECT_THAT(error_of(R"({"inputs":[5]})"), HasSubstr("object"));
  EXPECT_THAT(error_of(input(R"("datatype":"FP32")")), HasSubstr("name"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"FP31","shape":[1],"data":[1])")),
              HasSubstr("FP31"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"FP32","shape":[-1],"data":[1])")),
              HasSubstr("shape"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"FP32","shape":[2],"data":[1])")),
              HasSubstr("elements"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"FP32","shape":[1],"data":[1,2])")),
              HasSubstr("more than 1"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"UINT8","shape":[1],"data":[256])")),
              HasSubstr("element 0"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"INT64","shape":[1],"data":["1"])")),
              HasSubstr("element 0"));
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"FP32","shape":[1])")), HasSubstr("neither"));
  EXPECT_THAT(error_of(R"({"parameters":{"triton_x":1},"inputs":[]})"), HasSubstr("reserved"));
  EXPECT_THAT(error_of(R"({"parameters":{"priority":-1},"inputs":[]})"), HasSubstr("priority"));
  EXPECT_THAT(error_of(R"({"inputs":[]}x)", 13), HasSubstr("left over"));
}

TEST(InferRequest, HugeShapesAllocateNothing) {
  EXPECT_THAT(error_of(input(
                  R"("name":"x","datatype":"FP32","shape":[4611686018427387904,16],"data":[1])")),
              HasSubstr("too few elements"));
  EXPECT_THAT(
      error_of(input(
          R"("name":"x","datatype":"BYTES","shape":[1000000000000],"parameters":{"binary_data_size":0})")),
      HasSubstr("too few"));
  EXPECT_THAT(
      error_of(input(
          R"("name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":18446744073709551615})")),
      HasSubstr("left"));
}

TEST(InferRequest, DepthIsLimited) {
  const std::string deep(200, '[');
  EXPECT_THAT(error_of(input(R"("name":"x","datatype":"FP32","shape":[1],"data":)" + deep)),
              HasSubstr("JSON"));
}

TEST(Router, FindsEndpoints) {
  const auto route = find_route("/v2/models/a%2Fb/versions/3/infer?x=1");
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(route->endpoint, Endpoint::kInfer);
  EXPECT_EQ(route->model, "a/b");
  EXPECT_EQ(route->version, "3");
  EXPECT_EQ(find_route("/v2/models/stats")->endpoint, Endpoint::kModelStatistics);
  EXPECT_EQ(find_route("/v2")->endpoint, Endpoint::kServerMetadata);
  EXPECT_EQ(find_route("/v2/repository/r/models/m/load")->repository, "r");
  EXPECT_EQ(find_route("/v2/repository/models/m/unload")->model, "m");
  for (const char* wrong :
       {"/", "/v3", "/v2x", "/v2/models", "/v2/models/m/versions/x/infer", "/v2/models/m/other",
        "/v2/models/%zz", "/v2/models/%00", "/v2/health", "/v2/models/m/infer/more"}) {
    EXPECT_FALSE(find_route(wrong).has_value()) << wrong;
  }
}

TEST(HeadParser, ReadsByteByByte) {
  const Limits limits;
  HeadParser parser(limits);
  const std::string text =
      "POST /v2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ninference-header-content-length: "
      "3\r\nAccept-Encoding: gzip\r\n\r\n";
  std::string unread;
  for (const char c : text) {
    unread += c;
    const auto progress = parser.put(unread);
    ASSERT_TRUE(progress.error.is_ok()) << progress.error.message();
    unread.erase(0, progress.consumed);
  }
  EXPECT_EQ(parser.state(), HeadParser::State::kBodyFollows);
  EXPECT_EQ(parser.head().method, Method::kPost);
  EXPECT_EQ(parser.head().content_length, 5U);
  EXPECT_EQ(parser.head().json_length, 3U);
  EXPECT_TRUE(parser.head().keep_alive);
}

TEST(HeadParser, ReadsChunks) {
  const Limits limits;
  HeadParser parser(limits);
  std::string text =
      "POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (int i = 0; i < 20 && !text.empty(); ++i) {
    const auto progress = parser.put(text);
    ASSERT_TRUE(progress.error.is_ok()) << progress.error.message();
    text.erase(0, progress.consumed);
  }
  EXPECT_EQ(parser.state(), HeadParser::State::kDone);
  EXPECT_EQ(parser.chunks(), "abcde");
}

int status_of(const std::string& text) {
  Limits limits;
  limits.body_bytes = 1000;
  HeadParser parser(limits);
  const auto progress = parser.put(text);
  return progress.error.is_ok() ? 200 : progress.status;
}

TEST(HeadParser, RefusesWhatIsWrong) {
  EXPECT_EQ(status_of("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n"), 413);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nInference-Header-Content-Length: "
                      "99999999999999999999\r\n\r\n"),
            400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'a')), 431);
}

TEST(Compression, ComesBack) {
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kDeflate}) {
    Response response;
    response.text = "head";
    const std::vector<std::byte> part(100'000, std::byte{7});
    response.parts.emplace_back(part);
    ASSERT_TRUE(compress(response, encoding).is_ok());
    EXPECT_LT(response.text.size(), 10'000U);
    constexpr size_t kSize = 100'004;
    const auto plain = decompress(response.text, encoding, 4, kSize);
    ASSERT_TRUE(plain.is_ok()) << plain.status().message();
    EXPECT_EQ(plain->bytes.size(), kSize);
    EXPECT_EQ(plain->bytes.substr(0, 5), "head\x07");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(plain->bytes.data() + 4) % 64, 0U);
    EXPECT_THAT(decompress(response.text, encoding, 4, kSize - 1).status().message(),
                HasSubstr("limit"));
    const std::string_view half = std::string_view(response.text).substr(0, 40);
    EXPECT_FALSE(decompress(half, encoding, 4, kSize).is_ok());
    EXPECT_FALSE(decompress("not compressed", encoding, 0, kSize).is_ok());
  }
}

TEST(Compression, IsChosenByWeight) {
  EXPECT_EQ(choose_encoding("gzip;q=0.2, deflate"), Encoding::kDeflate);
  EXPECT_EQ(choose_encoding("br, gzip"), Encoding::kGzip);
  EXPECT_EQ(choose_encoding("gzip;q=0"), Encoding::kIdentity);
  EXPECT_EQ(choose_encoding(""), Encoding::kIdentity);
  EXPECT_FALSE(parse_encoding("br").has_value());
}

}  // namespace
}  // namespace penstock::serve::http
