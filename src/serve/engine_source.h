// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// From a file of a version's folder to an engine: ONNX is compiled, plans are loaded.
#pragma once

#include <penstock/builder.h>
#include <penstock/engine.h>

#include <filesystem>
#include <string>
#include <vector>

#include "serve/options.h"
#include "serve/protos/model_config.pb.h"

namespace penstock::serve {

struct ModelSource {
  std::filesystem::path file;  // model.onnx or model.plan
  std::string name;            // of the model, for messages and the cache
  std::string version;
};

// The file of a version's folder: the one that the configuration names, else model.plan, else
// model.onnx.
Result<std::filesystem::path> find_model_file(const inference::ModelConfig& config,
                                              const std::filesystem::path& version_folder);

struct ModelTensors {
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
};

// Tensors of an ONNX model, without compiling it.
Result<ModelTensors> read_tensors(const std::filesystem::path& onnx);

// What a plan is built for: precision, threads, device, and a profile of one item beside one of
// the largest batch where there is a batch axis.
Result<BuildOptions> build_options(const inference::ModelConfig& config,
                                   const ModelTensors& tensors, const ServerOptions& server,
                                   const std::string& device, int threads);

// Loads the plan, or compiles the ONNX model where no plan in the cache was built from the same
// file with the same options for this machine. Compiles one model at a time: measurements of two
// would disturb each other.
Result<Engine> make_engine(const ModelSource& source, const BuildOptions& build,
                           const ServerOptions& server);

}  // namespace penstock::serve
