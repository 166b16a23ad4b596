// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What a change of shapes costs: a model of a hundred small nodes, whose runs cost next to nothing.
#include <benchmark/benchmark.h>
#include <penstock/penstock.h>

#include <string>

#include "import/model_testlib.h"

namespace penstock {
namespace {

constexpr int kNodes = 100;

Engine many_nodes(bool two_profiles) {
  importer::ModelBuilder model;
  model.input("x", {"n", 4});
  std::string last = "x";
  for (int i = 0; i < kNodes; ++i) {
    const std::string next = "v" + std::to_string(i);
    model.node("Softmax", {last}, {next}, {{"axis", int64_t{i % 2}}});
    last = next;
  }
  model.output(last, {"n", 4});
  const std::string bytes = model.bytes();
  BuildOptions options;
  options.threads = 1;
  options.optimization_level = 0;
  if (two_profiles) options.profiles.resize(2);
  if (two_profiles) options.profiles[0].inputs["x"] = {{1, 4}, {1, 4}, {1, 4}};
  const OnnxBytes onnx{std::as_bytes(std::span<const char>(bytes)), "", ""};
  return Engine::deserialize(build_plan_in_memory(onnx, options).value().plan).value();
}

// Two shapes in turn: the difference to same_shape is what going back to a known shape costs.
void run_shapes(benchmark::State& state, bool two_profiles, int64_t other) {
  const Engine engine = many_nodes(two_profiles);
  ExecutionContext context = engine.create_context().value();
  Tensor x(DataType::kFloat32, {2, 4});
  (void)context.set_tensor_address("x", x.data());
  int64_t rows = 1;
  for (auto _ : state) {
    (void)context.set_input_shape("x", {rows, 4});
    if (!context.run().is_ok()) state.SkipWithError("a run failed");
    rows = rows == 1 ? other : 1;
  }
}

void same_shape(benchmark::State& state) { run_shapes(state, false, 1); }
BENCHMARK(same_shape);
void known_shape(benchmark::State& state) { run_shapes(state, false, 2); }
BENCHMARK(known_shape);
void known_shape_of_another_profile(benchmark::State& state) { run_shapes(state, true, 2); }
BENCHMARK(known_shape_of_another_profile);

}  // namespace
}  // namespace penstock
