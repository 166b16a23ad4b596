// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/model.h"

#include <fmt/format.h>
#include <penstock/diagnostics.h>

#include <algorithm>
#include <fstream>

#include "serve/model_config.h"

namespace penstock::serve {
namespace {

// Instances of the configuration that are to be on the CPU, or on a GPU.
int count_instances(const inference::ModelConfig& config) {
  int count = 0;
  for (const auto& group : config.instance_group()) count += std::max(1, group.count());
  return std::max(1, count);
}

// The device of the first group that says one; all instances are on one device.
std::string device_of(const inference::ModelConfig& config, const std::string& fallback) {
  for (const auto& group : config.instance_group()) {
    if (group.kind() == inference::ModelInstanceGroup::KIND_CPU) return "cpu";
    if (group.gpus_size() > 0) return "cuda:" + std::to_string(group.gpus(0));
    if (group.kind() == inference::ModelInstanceGroup::KIND_GPU) return "cuda:0";
  }
  return fallback;
}

// A file that the configuration names beside the model, and nowhere else.
Status check_file_name(const std::string& name, const std::string& what) {
  const std::filesystem::path path(name);
  const bool leaves =
      std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
  if (!path.is_absolute() && !leaves && !name.empty()) return Status::ok();
  return {StatusCode::kInvalidArgument,
          what + " is '" + name + "'; give a file in the model's folder"};
}

class WarmUpRequest : public InferenceRequest {
 public:
  void complete(InferenceResponse /*response*/) noexcept override {}
};

}  // namespace

Model::Model(Source source, Engine engine)
    : name_(std::move(source.name)),
      version_(source.version),
      folder_(std::move(source.folder)),
      model_file_(source.file.filename().string()),
      config_(std::move(source.config)),
      engine_(std::move(engine)),
      statistics_(std::make_unique<Statistics>()) {}

Model::~Model() = default;

Result<std::shared_ptr<Model>> Model::load(const Source& source, const ServerOptions& options,
                                           const Resources& resources) {
  const auto begin = Clock::now();
  Source used = source;
  const std::string device = device_of(source.config, options.device);
  const int threads = std::max(1, resources.cores->cores() / count_instances(source.config));
  BuildOptions build;
  build.device = device;
  if (source.file.extension() != ".plan") {
    PENSTOCK_ASSIGN_OR_RETURN(const ModelTensors tensors, read_tensors(source.file));
    // The batch decides what the plan is made for.
    const auto& config = source.config;
    const bool says_nothing =
        config.max_batch_size() == 0 && config.input_size() == 0 && config.output_size() == 0;
    if (options.auto_complete && says_nothing && has_batch_axis(tensors.inputs, tensors.outputs)) {
      used.config.set_max_batch_size(std::max(1, options.default_max_batch_size));
    }
    PENSTOCK_ASSIGN_OR_RETURN(build, build_options(used.config, tensors, options, device, threads));
  }
  const ModelSource file{source.file, source.name, std::to_string(source.version)};
  PENSTOCK_ASSIGN_OR_RETURN(Engine engine, make_engine(file, build, options));
  std::shared_ptr<Model> model(new Model(std::move(used), std::move(engine)));
  PENSTOCK_RETURN_IF_ERROR(model->complete(options));
  PENSTOCK_RETURN_IF_ERROR(model->make_instances(options, resources, threads));
  model->load_seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
  return model;
}

Status Model::complete(const ServerOptions& options) {
  Completion completion;
  completion.model_file = model_file_;
  completion.on_gpu = !engine_.device().is_host();
  completion.default_max_batch_size = options.default_max_batch_size;
  completion.auto_complete = options.auto_complete;
  return complete_config(config_, engine_.inputs(), engine_.outputs(), completion);
}

Status Model::make_instances(const ServerOptions& options, const Resources& resources,
                             int threads) {
  const bool is_host = engine_.device().is_host();
  Instance::Options instance_options;
  instance_options.threads = is_host ? threads : 1;
  instance_options.has_batch_axis = config_.max_batch_size() > 0;
  std::vector<std::unique_ptr<Instance>> instances;
  for (int i = 0; i < count_instances(config_); ++i) {
    instance_options.faults = {};
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<Instance> instance,
                              Instance::create(engine_, instance_options));
    PENSTOCK_RETURN_IF_ERROR(warm_up(*instance).with_context("warm-up"));
    instance->set_faults(options.faults);
    instances.push_back(std::move(instance));
  }
  Executor::Facts facts;
  facts.interface.name = name_;
  facts.interface.max_batch_size = config_.max_batch_size();
  facts.version = std::to_string(version_);
  facts.retries = options.execution_retries;
  for (const TensorInfo& input : engine_.inputs()) {
    const auto& configured = *std::find_if(config_.input().begin(), config_.input().end(),
                                           [&](const auto& i) { return i.name() == input.name; });
    facts.interface.inputs.push_back(input);
    facts.interface.inputs.back().shape = whole_shape(config_, configured.dims());
  }
  for (const auto& output : config_.output()) {
    const auto found = std::find_if(engine_.outputs().begin(), engine_.outputs().end(),
                                    [&](const TensorInfo& o) { return o.name == output.name(); });
    facts.output_order.push_back(static_cast<size_t>(found - engine_.outputs().begin()));
    facts.interface.outputs.push_back(*found);
    facts.interface.outputs.back().shape = whole_shape(config_, output.dims());
  }
  PENSTOCK_RETURN_IF_ERROR(read_labels(facts));
  executor_ = std::make_shared<Executor>(std::move(facts), *statistics_);
  Scheduler::Options scheduling;
  if (is_host) scheduling.cores = resources.cores;
  scheduling.timer = resources.timer;
  scheduling.keeps_order = config_.dynamic_batching().preserve_ordering();
  scheduler_ = std::make_shared<Scheduler>(executor_, RequestQueue(config_), std::move(instances),
                                           scheduling);
  return Status::ok();
}

Status Model::read_labels(Executor::Facts& facts) const {
  for (const auto& output : config_.output()) {
    std::vector<std::string>& labels = facts.labels.emplace_back();
    if (output.label_filename().empty()) continue;
    const std::string what = "label_filename of output '" + output.name() + "'";
    PENSTOCK_RETURN_IF_ERROR(check_file_name(output.label_filename(), what));
    std::ifstream file(folder_ / output.label_filename());
    if (!file) return {StatusCode::kNotFound, what + ": no file '" + output.label_filename() + "'"};
    for (std::string line; std::getline(file, line);) {
      if (line.ends_with('\r')) line.pop_back();
      labels.push_back(line);
    }
  }
  return Status::ok();
}

Result<std::vector<TensorView>> Model::warm_up_inputs(const inference::ModelWarmup& sample,
                                                      std::vector<Tensor>& tensors) const {
  std::vector<TensorView> views;
  for (const TensorInfo& info : engine_.inputs()) {
    Shape shape;
    if (config_.max_batch_size() > 0) {
      shape.push_back(std::max<int64_t>(1, sample.batch_size()));
    }
    const auto given = sample.inputs().find(info.name);
    if (given == sample.inputs().end()) {
      return Status(StatusCode::kInvalidArgument,
                    "model_warmup '" + sample.name() + "' has no input '" + info.name + "'");
    }
    const inference::ModelWarmup::Input& input = given->second;
    shape.insert(shape.end(), input.dims().begin(), input.dims().end());
    constexpr int64_t kMostElements = int64_t{1} << 31;
    if (std::any_of(shape.begin(), shape.end(), [](int64_t e) { return e < 0; }) ||
        element_count(shape) > kMostElements) {
      return Status(StatusCode::kInvalidArgument,
                    "model_warmup '" + sample.name() + "': the shape of input '" + info.name +
                        "' is " + to_string(shape) + "; give extents that are whole numbers");
    }
    Tensor tensor(info.dtype, shape);
    if (input.has_random_data()) tensor = random_tensor(info.dtype, shape, 1);
    if (input.has_input_data_file()) {
      PENSTOCK_RETURN_IF_ERROR(check_file_name(input.input_data_file(), "input_data_file"));
      std::ifstream file(folder_ / "warmup" / input.input_data_file(), std::ios::binary);
      if (!file.read(static_cast<char*>(tensor.data()),
                     static_cast<std::streamsize>(tensor.bytes()))) {
        return Status(StatusCode::kInvalidArgument,
                      fmt::format("model_warmup '{}': warmup/{} has no {} bytes", sample.name(),
                                  input.input_data_file(), tensor.bytes()));
      }
    }
    views.push_back({info.name, info.dtype, shape, tensor.data(), tensor.bytes()});
    tensors.push_back(std::move(tensor));
  }
  return views;
}

// What is configured; else, where shapes are fixed but for the batch, one item and a whole batch,
// so that no client waits for what the first run of a shape takes.
Status Model::warm_up(Instance& instance) const {
  std::vector<inference::ModelWarmup> samples(config_.model_warmup().begin(),
                                              config_.model_warmup().end());
  if (samples.empty()) {
    inference::ModelWarmup sample;
    sample.set_name("default");
    for (const auto& input : config_.input()) {
      auto& data = (*sample.mutable_inputs())[input.name()];
      *data.mutable_dims() = input.dims();
      data.set_zero_data(true);
      if (std::any_of(input.dims().begin(), input.dims().end(), [](int64_t e) { return e < 0; }) ||
          input.data_type() == inference::TYPE_STRING) {
        return Status::ok();
      }
    }
    sample.set_batch_size(1);
    if (config_.max_batch_size() > 1) {
      samples.push_back(sample);
      samples.back().set_batch_size(static_cast<uint32_t>(config_.max_batch_size()));
    }
    samples.push_back(std::move(sample));
  }
  for (const inference::ModelWarmup& sample : samples) {
    std::vector<Tensor> tensors;
    WarmUpRequest request;
    PENSTOCK_ASSIGN_OR_RETURN(request.inputs, warm_up_inputs(sample, tensors));
    InferenceRequest* const requests[] = {&request};
    for (uint32_t i = 0; i < std::max(1U, sample.count()); ++i) {
      PENSTOCK_RETURN_IF_ERROR(instance.run(requests).status().with_context(sample.name()));
    }
  }
  return Status::ok();
}

void Model::infer(std::shared_ptr<InferenceRequest> request) {
  int64_t items = 1;
  const Error wrong = check_request(executor_->facts().interface, *request, items);
  if (wrong.is_ok()) {
    scheduler_->submit(std::move(request), items);
    return;
  }
  QueuedRequest queued;
  queued.request = std::move(request);
  Finished finished = executor_->refuse(std::move(queued), wrong);
  finished.request->complete(std::move(finished.response));
}

inference::ModelMetadataResponse Model::metadata() const {
  inference::ModelMetadataResponse response;
  response.set_name(name_);
  response.set_platform(config_.platform());
  const auto add = [&](const auto& tensor, auto* list) {
    auto& metadata = *list->Add();
    metadata.set_name(tensor.name());
    metadata.set_datatype(std::string(wire_name(from_config(tensor.data_type()))));
    for (const int64_t extent : whole_shape(config_, tensor.dims())) metadata.add_shape(extent);
  };
  for (const auto& input : config_.input()) add(input, response.mutable_inputs());
  for (const auto& output : config_.output()) add(output, response.mutable_outputs());
  return response;
}

}  // namespace penstock::serve
