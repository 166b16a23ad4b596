// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/request.h"

#include <gmock/gmock.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <cstring>

#include "serve/grpc/response.h"

namespace penstock::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Request : public InferenceRequest {
 public:
  void complete(InferenceResponse) noexcept override {}
};

class GrpcRequest : public testing::Test {
 protected:
  inference::ModelInferRequest::InferInputTensor& input(const char* name, const char* datatype,
                                                        std::initializer_list<int64_t> shape) {
    auto& tensor = *message_.add_inputs();
    tensor.set_name(name);
    tensor.set_datatype(datatype);
    for (const int64_t extent : shape) tensor.add_shape(extent);
    return tensor;
  }
  // In pieces of 7 bytes, so that everything comes cut.
  Error read() { return read_bytes(message_.SerializeAsString()); }
  Error read_bytes(const std::string& bytes) {
    google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()), 7);
    memory_ = {};
    request_ = std::make_unique<Request>();
    return read_request(stream, bytes.size(), memory_, *request_);
  }
  template <typename T>
  std::vector<T> elements(size_t index) const {
    const TensorView& tensor = request_->inputs[index];
    std::vector<T> result(tensor.bytes / sizeof(T));
    std::memcpy(result.data(), tensor.data, tensor.bytes);
    return result;
  }

  inference::ModelInferRequest message_;
  RequestMemory memory_;
  std::unique_ptr<Request> request_;
};

TEST_F(GrpcRequest, RawContentsAreAlignedAndWhole) {
  message_.set_model_name("m");
  message_.set_model_version("3");
  message_.set_id("q");
  input("x", "FP32", {1, 2});
  input("s", "BYTES", {2});
  const std::array<float, 2> floats = {1.5F, -2};
  message_.add_raw_input_contents(floats.data(), sizeof(floats));
  message_.add_raw_input_contents(std::string("\x02\0\0\0ab\0\0\0\0", 10));
  const Error error = read();
  ASSERT_TRUE(error.is_ok()) << error.message();
  EXPECT_EQ(request_->model_name + request_->model_version + request_->id, "m3q");
  EXPECT_THAT(elements<float>(0), ElementsAre(1.5F, -2));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(request_->inputs[0].data) % 64, 0U);
  EXPECT_EQ(elements<StringRef>(1)[0].view(), "ab");
  EXPECT_EQ(elements<StringRef>(1)[1].view(), "");
}

TEST_F(GrpcRequest, ContentsInTheFieldOfTheirType) {
  for (const int value : {1, -2})
    input("a", "INT8", {2}).mutable_contents()->add_int_contents(value);
  input("b", "BOOL", {1}).mutable_contents()->add_bool_contents(true);
  input("c", "BYTES", {1}).mutable_contents()->add_bytes_contents("text");
  input("d", "FP64", {1}).mutable_contents()->add_fp64_contents(0.5);
  const Error error = read();
  ASSERT_TRUE(error.is_ok()) << error.message();
  EXPECT_THAT(elements<int8_t>(1), ElementsAre(-2));
  EXPECT_THAT(elements<uint8_t>(2), ElementsAre(1));
  EXPECT_EQ(elements<StringRef>(3)[0].view(), "text");
  EXPECT_THAT(elements<double>(4), ElementsAre(0.5));
}

TEST_F(GrpcRequest, ParametersThatTheServerKnows) {
  auto& parameters = *message_.mutable_parameters();
  parameters["sequence_id"].set_string_param("abc");
  parameters["sequence_start"].set_bool_param(true);
  parameters["priority"].set_uint64_param(2);
  parameters["timeout"].set_int64_param(1000);
  parameters["mine"].set_double_param(0.5);
  parameters[kEmptyFinalResponse].set_bool_param(true);
  auto& output = *message_.add_outputs();
  output.set_name("y");
  (*output.mutable_parameters())["classification"].set_int64_param(3);
  ASSERT_TRUE(read().is_ok());
  EXPECT_EQ(std::get<std::string>(request_->sequence_id), "abc");
  EXPECT_TRUE(request_->sequence_start);
  EXPECT_FALSE(request_->sequence_end);
  EXPECT_EQ(request_->priority, 2U);
  EXPECT_EQ(request_->timeout_us, 1000U);
  EXPECT_EQ(request_->parameters.size(), 1U);
  EXPECT_EQ(request_->outputs[0].classes, 3U);
}

TEST_F(GrpcRequest, WhatIsWrongIsSaid) {
  const auto says = [&](const char* text) { return HasSubstr(text); };
  const inference::ModelInferRequest empty;
  const auto message_of = [&](auto&& change) {
    message_ = empty;
    change();
    const Error error = read();
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  };
  EXPECT_THAT(message_of([&] { input("x", "FP8", {1}); }), says("datatype 'FP8'"));
  EXPECT_THAT(message_of([&] { input("x", "FP32", {-1}); }), says("extent of -1"));
  EXPECT_THAT(message_of([&] { input("x", "FP16", {1}); }), says("send raw_input_contents"));
  EXPECT_THAT(message_of([&] {
                input("x", "FP32", {1}).mutable_contents()->add_fp32_contents(1);
                message_.add_raw_input_contents("1234");
              }),
              says("must not be specified when using raw_input_contents"));
  EXPECT_THAT(message_of([&] { message_.add_raw_input_contents("1234"); }), says("0 inputs"));
  EXPECT_THAT(message_of([&] {
                input("s", "BYTES", {INT64_MAX, INT64_MAX});
                message_.add_raw_input_contents("1234");
              }),
              says("input 's'"));
  EXPECT_THAT(message_of([&] { (*message_.mutable_parameters())["priority"].set_int64_param(-1); }),
              says("integer of 0 or more"));
  EXPECT_THAT(
      message_of([&] { (*message_.mutable_parameters())["triton_x"].set_bool_param(true); }),
      says("reserved"));
  for (const char* junk : {"\xff\xff", "\x3a\xff\xff\xff\x07xyz", "\x0a\x02\xff\xfe",
                           "\x3a\x05"
                           "abc"}) {
    EXPECT_THAT(read_bytes(junk).message(), says("protobuf is broken"));
  }
}

TEST(GrpcResponse, LargeOutputsStayWhereTheyAre) {
  const std::vector<float> large(10000, 2.5F);
  const std::array<float, 1> small = {1};
  InferenceResponse response;
  response.model_name = "m";
  response.outputs = {{"a", DataType::kFloat32, {10000}, large.data(), 40000},
                      {"b", DataType::kFloat32, {1}, small.data(), 4}};
  const auto pieces = write_response(response, {.in_stream = true});
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].data, large.data());
  std::string bytes;
  for (const MessagePiece& piece : pieces) {
    bytes += piece.own;
    bytes.append(static_cast<const char*>(piece.data), piece.bytes);
  }
  inference::ModelStreamInferResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.infer_response().outputs(0).name(), "a");
  EXPECT_EQ(message.infer_response().raw_output_contents(0).size(), 40000U);
  EXPECT_EQ(message.infer_response().raw_output_contents(1).size(), 4U);
  EXPECT_TRUE(message.infer_response().parameters().at("triton_final_response").bool_param());
}

}  // namespace
}  // namespace penstock::serve
