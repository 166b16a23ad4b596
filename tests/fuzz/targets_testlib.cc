// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "targets.h"

#include <penstock/builder.h>
#include <penstock/context.h>
#include <penstock/engine.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "import/import.h"
#include "ir/parse.h"
#include "ops/op_definition.h"
#include "passes/pipeline.h"
#include "plan/plan_file.h"
#include "tensors.h"

namespace penstock::fuzz {
namespace {

constexpr const char* kNoFolder = "/nonexistent";
constexpr uint64_t kMostMemory = uint64_t{64} << 20;
constexpr int64_t kMostIterations = 200;

// What is wrong is wrong in every build type, so no assert.
void require(bool holds, const std::string& message) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", message.c_str());
  std::abort();
}

// An error says something, and is none of those that tell of a defect of Penstock.
void check_error(const Status& status) {
  require(!status.message().empty(), "an error without a message");
}

std::string_view text_of(Bytes input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}

void run(const Engine& engine, Random& random) {
  ContextOptions options{1, kMostIterations, kMostMemory};
  Result<ExecutionContext> context = engine.create_context(options);
  if (!context.is_ok()) return check_error(context.status());
  for (int i = 0; i < 2; ++i) {
    const auto inputs = random_inputs(engine, random);
    if (!inputs) return;
    const auto outputs = context->run_values(*inputs);
    if (!outputs.is_ok()) check_error(outputs.status());
  }
}

}  // namespace

void import_model(Bytes input) {
  Result<ir::Graph> graph = importer::import_onnx_from_memory(std::as_bytes(input), kNoFolder);
  if (!graph.is_ok()) return check_error(graph.status());
  // A pass may refuse what only folding brings to light; what it leaves must be whole.
  if (!passes::run_pipeline(*graph, {}).is_ok()) return;
  const Status status = ir::verify(*graph);
  require(status.is_ok(), status.message());
}

void run_model(Bytes input) {
  Random random(seed_of(input));
  BuildOptions options;
  options.threads = 1;
  options.optimization_level = 0;
  if (random.one_in(2)) options.tactic_sources = {"reference"};
  const Result<BuiltPlan> built =
      build_plan_in_memory({std::as_bytes(input), kNoFolder, "fuzz"}, options);
  if (!built.is_ok()) return check_error(built.status());
  const Result<Engine> engine = Engine::deserialize(built->plan);
  require(engine.is_ok(), "a built plan does not load: " + engine.status().message());
  run(*engine, random);
}

void parse_graph(Bytes input) {
  Result<ir::Graph> graph = ir::parse_text(text_of(input));
  if (!graph.is_ok()) return check_error(graph.status());
  const std::string text = ir::to_text(*graph);
  const Result<ir::Graph> again = ir::parse_text(text);
  require(again.is_ok(), "what was printed does not parse: " + again.status().message());
  require(ir::to_text(*again) == text, "what was printed parses to another graph");
  (void)ops::infer_graph(*graph);
}

void load_plan(Bytes input) {
  const Result<plan::Contents> program = plan::contents_from_json(text_of(input));
  if (!program.is_ok()) return check_error(program.status());
  static const std::vector<std::byte> constants(1 << 16);
  if (!plan::validate(*program, constants.size()).is_ok()) return;
  const std::string text = plan::to_json(*program);
  const Result<plan::Contents> again = plan::contents_from_json(text);
  require(again.is_ok() && plan::to_json(*again) == text, "a program changes when it is stored");
  const Result<Plan> plan =
      plan::make_plan(*program, "{}", {{0, constants.data(), constants.size()}});
  require(plan.is_ok(), plan.status().message());
  const Result<Engine> engine = Engine::deserialize(*plan);
  if (!engine.is_ok()) check_error(engine.status());
}

}  // namespace penstock::fuzz
