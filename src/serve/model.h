// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// One version of a model that is loaded: engine, instances, queue.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "serve/engine_source.h"
#include "serve/scheduler.h"
#include "serve/statistics.h"

namespace penstock::serve {

// What versions of all models share.
struct Resources {
  std::shared_ptr<CoreBudget> cores;
  std::shared_ptr<Timer> timer;
};

class Model {
 public:
  struct Source {
    std::string name;
    int64_t version = 1;
    std::filesystem::path folder;  // of the model: labels and warm-up data
    std::filesystem::path file;
    inference::ModelConfig config;  // checked, not complete
  };

  // Compiles or loads, makes the instances and warms each of them up.
  static Result<std::shared_ptr<Model>> load(const Source& source, const ServerOptions& options,
                                             const Resources& resources);
  ~Model();

  void infer(std::shared_ptr<InferenceRequest> request);

  int64_t version() const { return version_; }
  const inference::ModelConfig& config() const { return config_; }
  const Engine& engine() const { return engine_; }
  const Statistics& statistics() const { return *statistics_; }
  Scheduler& scheduler() const { return *scheduler_; }
  std::shared_ptr<Scheduler> shared_scheduler() const { return scheduler_; }
  double load_seconds() const { return load_seconds_; }
  inference::ModelMetadataResponse metadata() const;  // all but the list of versions

 private:
  Model(Source source, Engine engine);

  Status complete(const ServerOptions& options);
  Status make_instances(const ServerOptions& options, const Resources& resources, int threads);
  Status read_labels(Executor::Facts& facts) const;
  Status warm_up(Instance& instance) const;
  Result<std::vector<TensorView>> warm_up_inputs(const inference::ModelWarmup& sample,
                                                 std::vector<Tensor>& tensors) const;

  std::string name_;
  int64_t version_;
  std::filesystem::path folder_;
  std::string model_file_;
  inference::ModelConfig config_;
  Engine engine_;
  std::unique_ptr<Statistics> statistics_;
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<Scheduler> scheduler_;
  double load_seconds_ = 0;
};

}  // namespace penstock::serve
