// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The model server without a protocol: front ends (http/, grpc/) stand on this header.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "serve/error.h"
#include "serve/inference.h"
#include "serve/options.h"
#include "serve/protos/inference.pb.h"

namespace penstock::serve {

class Repository;
class Settings;

// A repository of models, each with its engine, contexts and queues. Safe to use from any thread.
// Names and versions come from clients as they are; a version is a decimal number, or empty for
// the one that the model's version policy prefers.
class ModelServer {
 public:
  // Reads the repository and begins to load; the models are ready later. Errors: options that
  // contradict each other, a repository that is not there.
  static Result<std::unique_ptr<ModelServer>> create(const ServerOptions& options);
  ~ModelServer();
  // Returns when every model of the start is ready or has failed. An error names those that failed,
  // where options.exit_on_error says so.
  Status wait_until_loaded();

  // The process answers.
  bool is_live() const;
  // Requests are taken: all models that should be are ready (strict readiness), and the server is
  // not ending.
  bool is_ready() const;
  // Not found and not ready are false; an error is a version that is no number.
  Answer<bool> is_model_ready(const std::string& name, const std::string& version) const;

  inference::ServerMetadataResponse metadata() const;
  Answer<inference::ModelMetadataResponse> model_metadata(const std::string& name,
                                                          const std::string& version) const;
  Answer<inference::ModelConfig> model_config(const std::string& name,
                                              const std::string& version) const;
  // An empty name: of all models.
  Answer<inference::ModelStatisticsResponse> statistics(const std::string& name,
                                                        const std::string& version) const;

  Answer<inference::RepositoryIndexResponse> index(
      const inference::RepositoryIndexRequest& request) const;
  // Both return at once; `done` comes on any thread, when the model is ready, or gone, or it
  // failed. Errors: kUnavailable where the control mode is not explicit.
  void load_model(const inference::RepositoryModelLoadRequest& request,
                  std::function<void(Error)> done);
  void unload_model(const inference::RepositoryModelUnloadRequest& request,
                    std::function<void(Error)> done);

  // What they say is taken over first; without settings they only answer.
  Answer<inference::TraceSettingResponse> trace_setting(
      const inference::TraceSettingRequest& request);
  Answer<inference::LogSettingsResponse> log_settings(const inference::LogSettingsRequest& request);

  // Calls request->complete() exactly once, now or later.
  void infer(std::shared_ptr<InferenceRequest> request);

  // In Prometheus' text format.
  std::string metrics() const;

  // From here on the server is not ready; what is under way goes on, and front ends still hand over
  // what comes on the connections that they have.
  void begin_drain();
  // Requests that infer() took and that are not complete.
  size_t requests_in_flight() const;
  // Waits until there are none; false when the time is over.
  bool wait_until_idle(std::chrono::milliseconds timeout) const;

 private:
  struct Life;
  explicit ModelServer(const ServerOptions& options);

  std::unique_ptr<Repository> repository_;
  std::unique_ptr<Settings> settings_;
  std::unique_ptr<Life> life_;
};

}  // namespace penstock::serve
