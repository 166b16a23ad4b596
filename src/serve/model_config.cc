// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/model_config.h"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <set>

#include "base/names.h"

namespace penstock::serve {
namespace {

using inference::ModelConfig;

Status wrong(const std::string& what) { return {StatusCode::kInvalidArgument, what}; }

Status unsupported(const std::string& what) {
  return {StatusCode::kUnsupported, fmt::format("{} is not supported", what)};
}

// Keeps the first error: the others follow from it.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(std::string file) : file_(std::move(file)) {}
  // Both count from 0.
  void AddError(int line, int column, const std::string& message) override {
    if (!text_.empty()) return;
    text_ = fmt::format("{}:{}:{}: {}", file_, line + 1, column + 1, message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string file_;
  std::string text_;
};

Status check_batching(const ModelConfig& config) {
  const auto& batching = config.dynamic_batching();
  for (const int32_t size : batching.preferred_batch_size()) {
    if (size < 1 || size > config.max_batch_size()) {
      return wrong("dynamic_batching.preferred_batch_size has " + std::to_string(size) +
                   "; give sizes from 1 to max_batch_size, " +
                   std::to_string(config.max_batch_size()));
    }
  }
  const uint64_t levels = batching.priority_levels();
  if (levels > 0 &&
      (batching.default_priority_level() < 1 || batching.default_priority_level() > levels)) {
    return wrong("dynamic_batching.default_priority_level is " +
                 std::to_string(batching.default_priority_level()) +
                 "; give one from 1 to priority_levels, " + std::to_string(levels));
  }
  for (const auto& [level, policy] : batching.priority_queue_policy()) {
    if (level < 1 || level > levels) {
      return wrong("dynamic_batching.priority_queue_policy is for level " + std::to_string(level) +
                   "; priority_levels is " + std::to_string(levels));
    }
  }
  return Status::ok();
}

Status check_instances(const ModelConfig& config) {
  constexpr int kMostInstances = 1024;
  for (const auto& group : config.instance_group()) {
    if (group.count() < 0 || group.count() > kMostInstances) {
      return wrong("instance_group.count is " + std::to_string(group.count()) +
                   "; give a number from 1 to " + std::to_string(kMostInstances));
    }
    if (group.kind() == inference::ModelInstanceGroup::KIND_CPU && group.gpus_size() > 0) {
      return wrong("instance_group of KIND_CPU has gpus; leave them out, or take KIND_GPU");
    }
    if (group.kind() == inference::ModelInstanceGroup::KIND_MODEL) {
      return wrong("instance_group of KIND_MODEL; take KIND_CPU, KIND_GPU or KIND_AUTO");
    }
  }
  return Status::ok();
}

// What this server does not do is refused, where requests would come out wrong without it.
Status check_supported(const ModelConfig& config) {
  if (config.has_ensemble_scheduling()) return unsupported("ensemble_scheduling");
  if (config.has_sequence_batching()) return unsupported("sequence_batching");
  if (config.batch_input_size() > 0) return unsupported("batch_input");
  if (config.batch_output_size() > 0) return unsupported("batch_output");
  if (config.model_transaction_policy().decoupled()) {
    return unsupported("model_transaction_policy.decoupled");
  }
  if (config.model_operations().op_library_filename_size() > 0) {
    return unsupported("model_operations.op_library_filename");
  }
  static const std::set<std::string> kBackends = {"", "onnxruntime", "tensorrt", "penstock"};
  if (kBackends.count(config.backend()) == 0) {
    return unsupported("backend '" + config.backend() +
                       "' (this server runs ONNX models and Penstock's plans)");
  }
  static const std::set<std::string> kPlatforms = {"", "onnxruntime_onnx", "tensorrt_plan",
                                                   "penstock_plan"};
  if (kPlatforms.count(config.platform()) == 0) {
    return unsupported("platform '" + config.platform() +
                       "' (this server runs ONNX models and Penstock's plans)");
  }
  for (const auto& input : config.input()) {
    const std::string which = "input '" + input.name() + "': ";
    if (input.has_reshape()) return unsupported(which + "reshape");
    if (input.allow_ragged_batch()) return unsupported(which + "allow_ragged_batch");
  }
  for (const auto& output : config.output()) {
    if (output.has_reshape()) return unsupported("output '" + output.name() + "': reshape");
  }
  return Status::ok();
}

template <typename Tensors>
Status check_tensors(const Tensors& tensors, const std::string& kind) {
  std::set<std::string> names;
  for (const auto& tensor : tensors) {
    const std::string which = kind + " '" + tensor.name() + "'";
    if (tensor.name().empty()) return wrong(kind + " without a name");
    if (!names.insert(tensor.name()).second) return wrong(which + " is there twice");
    if (tensor.data_type() == inference::TYPE_INVALID) return wrong(which + " has no data_type");
    for (const int64_t dim : tensor.dims()) {
      if (dim < -1) return wrong(which + " has the dimension " + std::to_string(dim));
    }
  }
  return Status::ok();
}

template <typename Tensor>
void fill_tensor(const TensorInfo& info, bool is_batched, Tensor& tensor) {
  tensor.set_name(info.name);
  tensor.set_data_type(to_config(info.dtype));
  for (size_t i = is_batched ? 1 : 0; i < info.shape.size(); ++i) tensor.add_dims(info.shape[i]);
}

// A configured tensor against the model's: it may say less than the model (-1), or more.
template <typename Tensor>
Status check_tensor(const ModelConfig& config, const std::string& kind, const Tensor& tensor,
                    const std::vector<TensorInfo>& infos) {
  std::vector<std::string> names;
  for (const TensorInfo& info : infos) names.push_back(info.name);
  const auto found = std::find_if(infos.begin(), infos.end(),
                                  [&](const TensorInfo& i) { return i.name == tensor.name(); });
  const std::string which = kind + " '" + tensor.name() + "'";
  if (found == infos.end()) {
    return wrong(which + " is not in the model; " + suggest(tensor.name(), names));
  }
  if (from_config(tensor.data_type()) != found->dtype) {
    return wrong(which + " has data_type " + inference::DataType_Name(tensor.data_type()) +
                 ", the model's is " + inference::DataType_Name(to_config(found->dtype)));
  }
  const Shape shape = whole_shape(config, tensor.dims());
  const auto differs = [&] {
    if (shape.size() != found->shape.size()) return true;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] >= 0 && found->shape[i] >= 0 && shape[i] != found->shape[i]) return true;
    }
    return config.max_batch_size() > 0 && found->shape[0] >= 0;
  };
  if (!differs()) return Status::ok();
  const std::string batch = config.max_batch_size() > 0
                                ? " (max_batch_size is " + std::to_string(config.max_batch_size()) +
                                      ", so the batch axis stands in front)"
                                : "";
  return wrong(which + " has the shape " + to_string(shape) + batch + ", the model's is " +
               to_string(found->shape));
}

Status check_model(const std::vector<TensorInfo>& infos) {
  for (const TensorInfo& info : infos) {
    if (info.kind != ValueKind::kTensor) {
      return {StatusCode::kUnsupported, "'" + info.name + "' is a " +
                                            std::string(to_string(info.kind)) +
                                            "; the protocol has tensors alone"};
    }
    if (to_config(info.dtype) == inference::TYPE_INVALID) {
      return {StatusCode::kUnsupported, "'" + info.name + "' is of type " +
                                            std::string(to_string(info.dtype)) +
                                            ", which the protocol does not have"};
    }
  }
  return Status::ok();
}

template <typename Tensors>
Status complete_tensors(const ModelConfig& config, const std::string& kind,
                        const std::vector<TensorInfo>& infos, bool auto_complete,
                        Tensors& tensors) {
  PENSTOCK_RETURN_IF_ERROR(check_model(infos));
  if (tensors.empty() && auto_complete) {
    for (const TensorInfo& info : infos) {
      fill_tensor(info, config.max_batch_size() > 0, *tensors.Add());
    }
  }
  for (auto& tensor : tensors) {
    const auto found = std::find_if(infos.begin(), infos.end(),
                                    [&](const TensorInfo& i) { return i.name == tensor.name(); });
    if (auto_complete && found != infos.end() && tensor.data_type() == inference::TYPE_INVALID) {
      tensor.set_data_type(to_config(found->dtype));
    }
    if (auto_complete && found != infos.end() && tensor.dims_size() == 0) {
      fill_tensor(*found, config.max_batch_size() > 0, tensor);
    }
  }
  PENSTOCK_RETURN_IF_ERROR(check_tensors(tensors, kind));
  for (const auto& tensor : tensors) {
    PENSTOCK_RETURN_IF_ERROR(check_tensor(config, kind, tensor, infos));
  }
  return Status::ok();
}

void complete_instances(ModelConfig& config, bool on_gpu) {
  if (config.instance_group_size() == 0) config.add_instance_group();
  for (int i = 0; i < config.instance_group_size(); ++i) {
    auto& group = *config.mutable_instance_group(i);
    if (group.name().empty()) group.set_name(config.name() + "_" + std::to_string(i));
    if (group.count() == 0) group.set_count(1);
    if (group.kind() == inference::ModelInstanceGroup::KIND_AUTO) {
      group.set_kind(on_gpu ? inference::ModelInstanceGroup::KIND_GPU
                            : inference::ModelInstanceGroup::KIND_CPU);
    }
  }
}

}  // namespace

Result<ModelConfig> parse_config_text(const std::string& text, const std::string& file) {
  FirstError errors(file);
  google::protobuf::TextFormat::Parser parser;
  constexpr int kDeepest = 64;
  parser.SetRecursionLimit(kDeepest);
  parser.RecordErrorsTo(&errors);
  ModelConfig config;
  if (!parser.ParseFromString(text, &config)) {
    return wrong(errors.text().empty() ? file + ": no model configuration" : errors.text());
  }
  return config;
}

Result<ModelConfig> parse_config_json(const std::string& json) {
  ModelConfig config;
  const auto status = google::protobuf::util::JsonStringToMessage(json, &config);
  if (!status.ok()) return wrong("config: " + std::string(status.message()));
  return config;
}

Status check_config(ModelConfig& config, const std::string& name) {
  if (!config.name().empty() && config.name() != name) {
    return wrong("the configuration is named '" + config.name() + "', its folder '" + name +
                 "'; leave name out, or make them the same");
  }
  config.set_name(name);
  if (config.max_batch_size() < 0) {
    return wrong("max_batch_size is " + std::to_string(config.max_batch_size()) +
                 "; give 0 for a model without a batch axis, else the largest batch");
  }
  PENSTOCK_RETURN_IF_ERROR(check_supported(config));
  PENSTOCK_RETURN_IF_ERROR(check_batching(config));
  return check_instances(config);
}

bool has_batch_axis(const std::vector<TensorInfo>& inputs, const std::vector<TensorInfo>& outputs) {
  const auto varies = [&](const TensorInfo& info) {
    return !info.shape.empty() && info.shape[0] == -1 && info.kind == ValueKind::kTensor &&
           (info.dims.empty() || inputs[0].dims.empty() || info.dims[0] == inputs[0].dims[0]);
  };
  return !inputs.empty() && std::all_of(inputs.begin(), inputs.end(), varies) &&
         std::all_of(outputs.begin(), outputs.end(), varies);
}

Status complete_config(ModelConfig& config, const std::vector<TensorInfo>& inputs,
                       const std::vector<TensorInfo>& outputs, const Completion& completion) {
  const bool is_plan = completion.model_file.ends_with(".plan");
  if (config.platform().empty()) {
    config.set_platform(is_plan ? "penstock_plan" : "onnxruntime_onnx");
  }
  if (config.backend().empty()) config.set_backend("penstock");
  if (config.default_model_filename().empty()) {
    config.set_default_model_filename(completion.model_file);
  }
  if (!config.has_version_policy()) config.mutable_version_policy()->mutable_latest();
  if (config.version_policy().has_latest() &&
      config.version_policy().latest().num_versions() == 0) {
    config.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  }
  // Where nothing is said of tensors or the batch, the model decides.
  const bool says_nothing =
      config.max_batch_size() == 0 && config.input_size() == 0 && config.output_size() == 0;
  if (completion.auto_complete && says_nothing && has_batch_axis(inputs, outputs)) {
    config.set_max_batch_size(std::max(1, completion.default_max_batch_size));
  }
  if (completion.auto_complete && config.max_batch_size() > 1 &&
      config.scheduling_choice_case() == ModelConfig::SCHEDULING_CHOICE_NOT_SET) {
    config.mutable_dynamic_batching();
  }
  PENSTOCK_RETURN_IF_ERROR(
      complete_tensors(config, "input", inputs, completion.auto_complete, *config.mutable_input()));
  PENSTOCK_RETURN_IF_ERROR(complete_tensors(config, "output", outputs, completion.auto_complete,
                                            *config.mutable_output()));
  for (const TensorInfo& info : inputs) {
    const bool is_there = std::any_of(config.input().begin(), config.input().end(),
                                      [&](const auto& i) { return i.name() == info.name; });
    if (!is_there) return wrong("the model's input '" + info.name + "' is not configured");
  }
  complete_instances(config, completion.on_gpu);
  return Status::ok();
}

DataType from_config(inference::DataType type) {
  switch (type) {
    case inference::TYPE_BOOL: return DataType::kBool;
    case inference::TYPE_UINT8: return DataType::kUInt8;
    case inference::TYPE_UINT16: return DataType::kUInt16;
    case inference::TYPE_UINT32: return DataType::kUInt32;
    case inference::TYPE_UINT64: return DataType::kUInt64;
    case inference::TYPE_INT8: return DataType::kInt8;
    case inference::TYPE_INT16: return DataType::kInt16;
    case inference::TYPE_INT32: return DataType::kInt32;
    case inference::TYPE_INT64: return DataType::kInt64;
    case inference::TYPE_FP16: return DataType::kFloat16;
    case inference::TYPE_FP32: return DataType::kFloat32;
    case inference::TYPE_FP64: return DataType::kFloat64;
    case inference::TYPE_STRING: return DataType::kString;
    case inference::TYPE_BF16: return DataType::kBFloat16;
    default: return DataType::kUndefined;
  }
}

inference::DataType to_config(DataType type) {
  for (int i = inference::DataType_MIN; i <= inference::DataType_MAX; ++i) {
    const auto candidate = static_cast<inference::DataType>(i);
    if (candidate != inference::TYPE_INVALID && from_config(candidate) == type) return candidate;
  }
  return inference::TYPE_INVALID;
}

Shape whole_shape(const ModelConfig& config, const google::protobuf::RepeatedField<int64_t>& dims) {
  Shape shape;
  if (config.max_batch_size() > 0) shape.push_back(-1);
  shape.insert(shape.end(), dims.begin(), dims.end());
  return shape;
}

}  // namespace penstock::serve
