// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace penstock::serve {

enum class ControlMode {
  kNone,      // all models, loaded at the start
  kExplicit,  // those that load_models names, and what clients load and unload
  kPoll,      // all models; changes of the repository are taken over
};

// Makes executions fail, for tests and drills: off unless it is asked for.
struct FaultInjection {
  uint32_t fail_every = 0;     // this execution, and each so many later, fails; 0: none
  uint32_t delay_us = 0;       // in front of each execution
  uint32_t fail_rebuilds = 0;  // so many recreations of a context fail
};

struct ServerOptions {
  std::string server_id = "penstock";
  std::vector<std::filesystem::path> repositories;
  ControlMode control_mode = ControlMode::kNone;
  std::vector<std::string> load_models;  // of kExplicit; "*" is all
  std::chrono::seconds poll_interval{15};
  bool strict_readiness = true;   // ready only when all models are
  bool exit_on_error = false;     // a model that fails at the start ends it
  bool auto_complete = true;      // what config.pbtxt leaves out is taken from the model
  std::string model_config_name;  // configs/NAME.pbtxt in place of config.pbtxt, where it is
  int load_threads = 2;
  int load_retries = 0;

  std::string device = "auto";  // of instances that do not say: "cpu", "cuda:N", "auto"
  // Where plans of ONNX files are kept; empty: beside each file.
  std::filesystem::path plan_cache;
  std::filesystem::path timing_cache;  // empty: beside the plans
  int optimization_level = 3;          // of builds; a config.pbtxt may say otherwise
  int default_max_batch_size = 4;      // of models with a batch axis and no config.pbtxt

  std::function<bool()> is_ending;  // asked during builds, which it ends; may be empty

  int execution_retries = 1;  // on a fresh context, after a failed execution
  FaultInjection faults;
};

}  // namespace penstock::serve
