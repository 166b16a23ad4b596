// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Configurations of models: config.pbtxt and its JSON, checked and completed.
#pragma once

#include <penstock/status.h>
#include <penstock/types.h>

#include <string>
#include <vector>

#include "serve/protos/inference.pb.h"

namespace penstock::serve {

// The text of `file`, which errors name with line and column.
Result<inference::ModelConfig> parse_config_text(const std::string& text, const std::string& file);
// What a load request has; both spellings of names, "maxBatchSize" too.
Result<inference::ModelConfig> parse_config_json(const std::string& json);

// What can be told without the model: sizes, policies, scheduling. `name` is the folder's.
Status check_config(inference::ModelConfig& config, const std::string& name);

// A model has a batch axis where the first axis of all inputs and outputs varies, and is not the
// only thing known of it.
bool has_batch_axis(const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs);

struct Completion {
  std::string model_file;  // "model.onnx"
  bool on_gpu = false;
  int default_max_batch_size = 4;
  bool auto_complete = true;  // false: inputs, outputs and batch size stay as they are
};

// Fills in what the configuration leaves out, and refuses what contradicts the model, naming the
// tensor.
Status complete_config(inference::ModelConfig& config, const std::vector<TensorInfo>& inputs,
                       const std::vector<TensorInfo>& outputs, const Completion& completion);

DataType from_config(inference::DataType type);
inference::DataType to_config(DataType type);

// Shapes of the configuration, with the batch axis as -1.
Shape whole_shape(const inference::ModelConfig& config,
                  const google::protobuf::RepeatedField<int64_t>& dims);

}  // namespace penstock::serve
