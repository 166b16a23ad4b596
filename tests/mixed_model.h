// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "coded_device.h"
#include "compiler/lower.h"
#include "compiler/profile.h"
#include "import/import.h"
#include "import/model_testlib.h"
#include "passes/pipeline.h"
#include "runtime/context_state.h"
#include "tune/layout_choice.h"

namespace penstock::test {

// A model built for the coded device and the host.
class Mixed {
 public:
  explicit Mixed(const importer::ModelBuilder& model) {
    const Status status = build(model);
    EXPECT_TRUE(status.is_ok()) << status.message();
  }

  // Steps of the main body by tactic.
  int count(std::string_view tactic) const {
    int found = 0;
    for (const plan::Step& step : engine_->program(0).main().steps) found += step.tactic == tactic;
    return found;
  }
  runtime::ContextState context() const {
    return runtime::ContextState(engine_, *device_->create_stream(1),
                                 *ops::cpu_backend()->create_stream(1), {});
  }
  CodedBackend& device() const { return *device_; }

 private:
  Status build(const importer::ModelBuilder& model) {
    const std::string bytes = model.bytes();
    PENSTOCK_ASSIGN_OR_RETURN(
        ir::Graph graph, importer::import_onnx_from_memory(std::as_bytes(std::span(bytes)), "."));
    passes::PipelineOptions pipeline;
    pipeline.fuse = false;
    PENSTOCK_RETURN_IF_ERROR(passes::run_pipeline(graph, pipeline));
    PENSTOCK_ASSIGN_OR_RETURN(const OptimizationProfile profile,
                              compiler::complete_profile(graph, {}));
    tune::TuneOptions options;
    options.level = 0;
    PENSTOCK_ASSIGN_OR_RETURN(options.symbols, compiler::opt_symbols(graph, profile));
    PENSTOCK_ASSIGN_OR_RETURN(tune::TimingCache cache, tune::TimingCache::load(""));
    tune::Tuner tuner(*device_, *ops::cpu_backend(), cache, options);
    PENSTOCK_RETURN_IF_ERROR(tuner.add(graph.main, false));
    PENSTOCK_ASSIGN_OR_RETURN(const std::vector<size_t> choice,
                              tune::LayoutChoice(tuner, graph.main).solve());
    compiler::ConstantPool constants;
    PENSTOCK_ASSIGN_OR_RETURN(compiler::Lowered lowered,
                              compiler::lower(graph, tuner, choice, options.symbols, 1, constants));
    lowered.program.profile = profile;
    plan::Contents contents;
    contents.backend = "coded";
    contents.instruction_set = "coded";
    contents.programs.push_back(std::move(lowered.program));
    PENSTOCK_ASSIGN_OR_RETURN(Plan plan, plan::make_plan(contents, "{}", constants.constants()));
    PENSTOCK_ASSIGN_OR_RETURN(plan::PlanFile file, plan::PlanFile::from_memory(std::move(plan)));
    PENSTOCK_ASSIGN_OR_RETURN(
        engine_, runtime::EngineState::create(std::move(file), device_, ops::cpu_backend()));
    return Status::ok();
  }

  std::shared_ptr<CodedBackend> device_ = std::make_shared<CodedBackend>();
  std::shared_ptr<runtime::EngineState> engine_;
};

inline std::vector<float> run(runtime::ContextState& context, std::vector<float> x,
                              std::string_view output = "y") {
  EXPECT_TRUE(context.set_input_shape("x", {static_cast<int64_t>(x.size())}).is_ok());
  EXPECT_TRUE(context.set_address("x", x.data()).is_ok());
  const Status status = context.run(context.own_stream());
  EXPECT_TRUE(status.is_ok()) << status.message();
  const auto view = context.output(output);
  EXPECT_TRUE(view.is_ok()) << view.status().message();
  if (!status.is_ok() || !view.is_ok()) return {};
  const auto* y = static_cast<const float*>(view->data);
  return {y, y + element_count(view->shape)};
}

// y = sqrt(x + x) * (x + x): the root is the host's.
inline importer::ModelBuilder root_model() {
  return importer::ModelBuilder()
      .input("x", {"n"})
      .node("Add", {"x", "x"}, {"twice"})
      .node("Sqrt", {"twice"}, {"root"})
      .node("Mul", {"root", "twice"}, {"y"})
      .output("y");
}

}  // namespace penstock::test
