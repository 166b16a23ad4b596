// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/penstock.h>

#include <span>
#include <string>

#include "import/model_testlib.h"

namespace penstock::test {

// Quick to build, and the same on every machine: nothing is measured, and streams have one thread.
inline BuildOptions unmeasured() {
  BuildOptions options;
  options.optimization_level = 0;
  options.threads = 1;
  return options;
}

// In memory; messages call the model "model".
inline Result<BuiltPlan> build_model(const importer::ModelBuilder& model,
                                     const BuildOptions& options = unmeasured()) {
  const std::string bytes = model.bytes();
  return build_plan_in_memory({std::as_bytes(std::span(bytes)), "", "model"}, options);
}

inline Result<Engine> engine_of(const importer::ModelBuilder& model,
                                const BuildOptions& options = unmeasured()) {
  PENSTOCK_ASSIGN_OR_RETURN(const BuiltPlan built, build_model(model, options));
  return Engine::deserialize(built.plan);
}

inline Result<ExecutionContext> context_of(const importer::ModelBuilder& model,
                                           const BuildOptions& options = unmeasured()) {
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, engine_of(model, options));
  return engine.create_context();
}

}  // namespace penstock::test
