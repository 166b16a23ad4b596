// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/server.h"

#include <atomic>
#include <thread>

#include "serve/metrics.h"
#include "serve/repository.h"
#include "serve/settings.h"

namespace penstock::serve {

struct ModelServer::Life {
  std::atomic<bool> is_draining{false};
};

ModelServer::ModelServer(const ServerOptions& options)
    : repository_(std::make_unique<Repository>(options)),
      settings_(std::make_unique<Settings>()),
      life_(std::make_unique<Life>()) {}

ModelServer::~ModelServer() = default;

Result<std::unique_ptr<ModelServer>> ModelServer::create(const ServerOptions& options) {
  if (options.repositories.empty()) {
    return Status(StatusCode::kInvalidArgument, "no model repository; give --model-repository DIR");
  }
  if (options.control_mode != ControlMode::kExplicit && !options.load_models.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "--load-model goes with --model-control-mode=explicit");
  }
  std::unique_ptr<ModelServer> server(new ModelServer(options));
  PENSTOCK_RETURN_IF_ERROR(server->repository_->start());
  return server;
}

Status ModelServer::wait_until_loaded() { return repository_->wait_until_loaded(); }

bool ModelServer::is_live() const { return true; }

bool ModelServer::is_ready() const {
  if (life_->is_draining) return false;
  return !repository_->options().strict_readiness || repository_->is_everything_ready();
}

Answer<bool> ModelServer::is_model_ready(const std::string& name,
                                         const std::string& version) const {
  const auto model = repository_->find(name, version);
  if (model.is_ok()) return true;
  if (model.status().code() == ErrorCode::kInvalidArgument) return model.status();
  return false;
}

inference::ServerMetadataResponse ModelServer::metadata() const {
  inference::ServerMetadataResponse response;
  response.set_name(repository_->options().server_id);
  response.set_version(PENSTOCK_VERSION);
  for (const char* extension :
       {"classification", "model_repository", "model_repository(unload_dependents)",
        "schedule_policy", "model_configuration", "binary_tensor_data", "parameters", "statistics",
        "trace", "logging"}) {
    response.add_extensions(extension);
  }
  return response;
}

Answer<inference::ModelMetadataResponse> ModelServer::model_metadata(
    const std::string& name, const std::string& version) const {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, repository_->find(name, version));
  inference::ModelMetadataResponse response = model->metadata();
  for (const auto& other : repository_->ready_models(name)) {
    response.add_versions(std::to_string(other->version()));
  }
  return response;
}

Answer<inference::ModelConfig> ModelServer::model_config(const std::string& name,
                                                         const std::string& version) const {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model, repository_->find(name, version));
  return model->config();
}

Answer<inference::ModelStatisticsResponse> ModelServer::statistics(
    const std::string& name, const std::string& version) const {
  std::vector<std::shared_ptr<Model>> models = repository_->ready_models(name);
  if (!name.empty()) {
    PENSTOCK_ASSIGN_OR_RETURN(std::shared_ptr<Model> model, repository_->find(name, version));
    if (!version.empty()) models = {std::move(model)};
  }
  inference::ModelStatisticsResponse response;
  for (const auto& model : models) {
    auto& statistics = *response.add_model_stats();
    statistics.set_name(model->config().name());
    statistics.set_version(std::to_string(model->version()));
    fill_statistics(model->statistics().counts(), statistics);
    auto& memory = *statistics.add_memory_usage();
    memory.set_type(model->engine().device().is_host() ? "CPU" : "GPU");
    memory.set_byte_size(model->engine().weight_bytes() + model->scheduler().memory_bytes());
  }
  return response;
}

Answer<inference::RepositoryIndexResponse> ModelServer::index(
    const inference::RepositoryIndexRequest& request) const {
  if (!request.repository_name().empty()) {
    return Error(ErrorCode::kUnsupported, "'repository_name' specification is not supported");
  }
  return repository_->index(request.ready());
}

void ModelServer::load_model(const inference::RepositoryModelLoadRequest& request,
                             std::function<void(Error)> done) {
  repository_->load(request, std::move(done));
}

void ModelServer::unload_model(const inference::RepositoryModelUnloadRequest& request,
                               std::function<void(Error)> done) {
  repository_->unload(request, std::move(done));
}

Answer<inference::TraceSettingResponse> ModelServer::trace_setting(
    const inference::TraceSettingRequest& request) {
  return settings_->trace(request);
}

Answer<inference::LogSettingsResponse> ModelServer::log_settings(
    const inference::LogSettingsRequest& request) {
  return settings_->log(request);
}

void ModelServer::infer(std::shared_ptr<InferenceRequest> request) {
  const Answer<std::shared_ptr<Model>> model =
      repository_->find(request->model_name, request->model_version);
  if (!model.is_ok()) {
    InferenceResponse response;
    response.id = request->id;
    response.error = model.status();
    request->complete(std::move(response));
    return;
  }
  {
    std::lock_guard lock(request->mutex_);
    request->listener_ = (*model)->shared_scheduler();
  }
  (*model)->infer(std::move(request));
}

std::string ModelServer::metrics() const { return write_metrics(*repository_); }

void ModelServer::begin_drain() {
  life_->is_draining = true;
  repository_->close();
}

size_t ModelServer::requests_in_flight() const {
  size_t count = 0;
  for (const auto& model : repository_->ready_models("")) {
    count += model->scheduler().in_flight();
  }
  return count;
}

bool ModelServer::wait_until_idle(std::chrono::milliseconds timeout) const {
  const auto end = Clock::now() + timeout;
  while (requests_in_flight() > 0) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace penstock::serve
