// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/wire.h"

namespace penstock::load {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Target http_target() {
  Target target;
  target.authority = "host:8000";
  target.headers = {{"x-key", "secret"}};
  return target;
}

Tensor floats() {
  const std::vector<float> values = {1, 0.5F};
  return Tensor::from<float>(DataType::kFloat32, {1, 2}, values);
}

TEST(LoadModel, JsonRequest) {
  const auto request =
      inference_request(http_target(), {"a b", "3"}, {{"x", floats()}}, TensorFormat::kJson);
  ASSERT_TRUE(request.is_ok());
  EXPECT_THAT(request->head, HasSubstr("POST /v2/models/a%20b/versions/3/infer HTTP/1.1\r\n"));
  EXPECT_THAT(request->head, HasSubstr("x-key: secret\r\n"));
  EXPECT_EQ(request->body,
            R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,0.5]}]})");
  EXPECT_THAT(request->head,
              HasSubstr("Content-Length: " + std::to_string(request->body.size()) + "\r\n\r\n"));
}

TEST(LoadModel, BinaryRequestHasItsTensorsAfterTheJson) {
  const std::vector<std::string_view> words = {"ab", ""};
  const auto request = inference_request(
      http_target(), {"m", ""}, {{"x", Tensor::from_strings({2}, words)}}, TensorFormat::kBinary);
  ASSERT_TRUE(request.is_ok());
  EXPECT_THAT(request->body,
              HasSubstr(R"("datatype":"BYTES","parameters":{"binary_data_size":10})"));
  EXPECT_TRUE(request->body.ends_with(std::string("}]}\x02\0\0\0ab\0\0\0\0", 13)));
  EXPECT_THAT(request->head, HasSubstr("Inference-Header-Content-Length: " +
                                       std::to_string(request->body.size() - 10) + "\r\n"));
}

TEST(LoadModel, GrpcRequest) {
  Target target;
  target.protocol = Protocol::kGrpc;
  const auto request = inference_request(target, {"m", ""}, {{"x", floats()}}, TensorFormat::kJson);
  ASSERT_TRUE(request.is_ok());
  std::vector<uint32_t> numbers;
  WireReader reader(std::string_view(request->body).substr(5));
  while (const auto field = reader.next()) {
    numbers.push_back(field->number);
    EXPECT_TRUE(field->number != 7 || field->bytes.size() == 8);
  }
  EXPECT_FALSE(reader.is_broken());
  EXPECT_THAT(numbers, ElementsAre(1, 5, 7));
  EXPECT_EQ(static_cast<size_t>(request->body[4]), request->body.size() - 5);
}

TEST(LoadModel, TypesWithoutAFormInJson) {
  const auto request = inference_request(
      http_target(), {"m", ""}, {{"x", Tensor(DataType::kFloat16, {1})}}, TensorFormat::kJson);
  EXPECT_THAT(request.status().message(), HasSubstr("use --format binary"));
}

TEST(LoadModel, DescriptionInJson) {
  const auto description = parse_json_description(
      R"({"name":"m","inputs":[{"name":"x","datatype":"INT64","shape":[-1,3]}],
          "outputs":[{"name":"y","datatype":"FP32","shape":[1]}]})");
  ASSERT_TRUE(description.is_ok()) << description.status().message();
  EXPECT_EQ(description->inputs[0].dtype, DataType::kInt64);
  EXPECT_THAT(description->inputs[0].shape, ElementsAre(-1, 3));
  EXPECT_THAT(description->outputs, ElementsAre("y"));
  for (const char* broken :
       {"", "[]", "{", R"({"inputs":[]})", R"({"inputs":[1],"outputs":[]})",
        R"({"inputs":[{"name":"x","datatype":"FP9","shape":[1]}],"outputs":[]})",
        R"({"inputs":[{"name":"x","datatype":"FP32","shape":["a"]}],"outputs":[]})"}) {
    EXPECT_FALSE(parse_json_description(broken).is_ok()) << broken;
  }
}

TEST(LoadModel, DescriptionInProtobuf) {
  std::string extents;
  append_varint(extents, static_cast<uint64_t>(-1));
  append_varint(extents, 224);
  std::string tensor;
  append_field(tensor, 1, "x");
  append_field(tensor, 2, "FP32");
  append_field(tensor, 3, extents);
  std::string message;
  append_field(message, 1, "m");
  append_field(message, 4, tensor);
  append_field(message, 5, tensor);
  const auto description = parse_grpc_description(message);
  ASSERT_TRUE(description.is_ok()) << description.status().message();
  EXPECT_THAT(description->inputs[0].shape, ElementsAre(-1, 224));
  EXPECT_FALSE(parse_grpc_description(message.substr(0, message.size() - 1)).is_ok());
}

}  // namespace
}  // namespace penstock::load
