// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/message_json.h"

namespace penstock::serve {
namespace {

using testing::HasSubstr;

const std::vector<TensorInfo> kInputs = {
    {"images", DataType::kFloat32, {-1, 3, 32, 32}, {"batch", "3", "32", "32"}}};
const std::vector<TensorInfo> kOutputs = {
    {"logits", DataType::kFloat32, {-1, 10}, {"batch", "10"}}};

Completion completion() {
  Completion completion;
  completion.model_file = "model.onnx";
  return completion;
}

std::string complete(const std::string& text, inference::ModelConfig* result = nullptr) {
  Result<inference::ModelConfig> config = parse_config_text(text, "m/config.pbtxt");
  if (!config.is_ok()) return config.status().message();
  if (const Status status = check_config(*config, "m"); !status.is_ok()) return status.message();
  const Status status = complete_config(*config, kInputs, kOutputs, completion());
  if (result != nullptr) *result = *config;
  return status.message();
}

TEST(ModelConfig, ErrorsNameFileLineAndColumn) {
  EXPECT_THAT(complete("name: \"m\"\nmax_batch_sise: 4\n"), HasSubstr("m/config.pbtxt:2:"));
  EXPECT_THAT(complete("input [ { name: 5 } ]"), HasSubstr("m/config.pbtxt:1:"));
}

TEST(ModelConfig, IsCompletedFromTheModel) {
  inference::ModelConfig config;
  EXPECT_EQ(complete("", &config), "");
  EXPECT_EQ(config.max_batch_size(), 4);
  EXPECT_TRUE(config.has_dynamic_batching());
  ASSERT_EQ(config.input_size(), 1);
  EXPECT_EQ(config.input(0).dims_size(), 3);
  EXPECT_EQ(config.input(0).data_type(), inference::TYPE_FP32);
  EXPECT_EQ(config.output(0).dims(0), 10);
  EXPECT_EQ(config.instance_group(0).count(), 1);
}

TEST(ModelConfig, ContradictionsNameTheTensor) {
  EXPECT_THAT(
      complete("max_batch_size: 4 input [{ name: \"image\" data_type: TYPE_FP32 dims: 3 }]"),
      HasSubstr("did you mean 'images'"));
  EXPECT_THAT(complete("max_batch_size: 4 input [{ name: \"images\" data_type: TYPE_INT8 "
                       "dims: [3, 32, 32] }]"),
              HasSubstr("TYPE_INT8"));
  EXPECT_THAT(complete("max_batch_size: 4 input [{ name: \"images\" data_type: TYPE_FP32 "
                       "dims: [1, 3, 32, 32] }]"),
              HasSubstr("the batch axis stands in front"));
  EXPECT_EQ(complete("input [{ name: \"images\" data_type: TYPE_FP32 dims: [-1, 3, 32, 32] }] "
                     "output [{ name: \"logits\" data_type: TYPE_FP32 dims: [-1, 10] }]"),
            "");
}

TEST(ModelConfig, WhatIsNotDoneIsRefused) {
  EXPECT_THAT(complete("backend: \"python\""), HasSubstr("'python'"));
  EXPECT_THAT(complete("ensemble_scheduling {}"), HasSubstr("ensemble"));
  EXPECT_THAT(complete("name: \"other\""), HasSubstr("'other'"));
  EXPECT_THAT(complete("max_batch_size: -1"), HasSubstr("max_batch_size"));
  EXPECT_THAT(complete("max_batch_size: 4 dynamic_batching { preferred_batch_size: 8 }"),
              HasSubstr("8"));
  EXPECT_THAT(complete("instance_group [{ count: 2000 }]"), HasSubstr("2000"));
}

TEST(ModelConfig, JsonHasNumbersAndNames) {
  inference::ModelConfig config;
  ASSERT_EQ(complete("", &config), "");
  const std::string json = to_json(config);
  EXPECT_THAT(json, HasSubstr("\"dims\":[3,32,32]"));
  EXPECT_THAT(json, HasSubstr("\"data_type\":\"TYPE_FP32\""));
  EXPECT_THAT(json, testing::Not(HasSubstr("sequence_batching")));
  const Result<inference::ModelConfig> again = parse_config_json(json);
  ASSERT_TRUE(again.is_ok()) << again.status().message();
  EXPECT_EQ(to_json(*again), json);
}

TEST(MessageJson, EscapesText) {
  std::string json;
  append_json_string("a\"\\\n\x01\xff\xc3\xa9", json);
  EXPECT_EQ(json, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
}

}  // namespace
}  // namespace penstock::serve
