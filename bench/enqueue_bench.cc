// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What a call costs from C++: a model of three small nodes, run and enqueued.
#include <benchmark/benchmark.h>
#include <penstock/penstock.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "import/model_testlib.h"

namespace penstock {
namespace {

Engine three_nodes(const std::string& device = "cpu") {
  importer::ModelBuilder model;
  model.input("x", {4, 16});
  model.node("Softmax", {"x"}, {"a"}, {{"axis", int64_t{1}}});
  model.node("Transpose", {"a"}, {"b"}, {{"perm", std::vector<int64_t>{1, 0}}});
  model.node("Softmax", {"b"}, {"y"}, {{"axis", int64_t{1}}});
  model.output("y", {16, 4});
  const std::string bytes = model.bytes();
  BuildOptions options;
  options.threads = 1;
  options.device = device;
  return Engine::deserialize(
             build_plan_in_memory(OnnxBytes{std::as_bytes(std::span<const char>(bytes)), "", ""},
                                  options)
                 .value()
                 .plan)
      .value();
}

struct Bound {
  Engine engine;
  ExecutionContext context = engine.create_context().value();
  Tensor x{DataType::kFloat32, {4, 16}};
  Tensor y{DataType::kFloat32, {16, 4}};

  explicit Bound(const std::string& device = "cpu") : engine(three_nodes(device)) {
    (void)context.set_tensor_address("x", x.data());
    (void)context.set_tensor_address("y", y.data());
    (void)context.run();
  }
};

void run(benchmark::State& state) {
  Bound bound;
  for (auto _ : state) (void)bound.context.run();
}
BENCHMARK(run);

// The call alone: the runs themselves happen on the stream's thread.
void enqueue(benchmark::State& state) {
  Bound bound;
  Stream stream = bound.engine.create_stream().value();
  int pending = 0;
  for (auto _ : state) {
    (void)bound.context.enqueue(stream);
    if (++pending < 32) continue;
    state.PauseTiming();
    (void)bound.context.wait();
    pending = 0;
    state.ResumeTiming();
  }
  (void)bound.context.wait();
}
BENCHMARK(enqueue);

void enqueue_and_wait(benchmark::State& state) {
  Bound bound;
  Stream stream = bound.engine.create_stream().value();
  for (auto _ : state) {
    (void)bound.context.enqueue(stream);
    (void)bound.context.wait();
  }
}
BENCHMARK(enqueue_and_wait);

// What a server does that replaces a context: made, its shapes bound, run once, dropped.
// Percentiles are of single calls.
void recreate_context(benchmark::State& state) {
  Bound bound("auto");
  std::vector<double> microseconds;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    ExecutionContext context = bound.engine.create_context().value();
    (void)context.set_tensor_address("x", bound.x.data());
    (void)context.set_tensor_address("y", bound.y.data());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    (void)context.run();
    microseconds.push_back(took.count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  state.counters["p50_us"] = microseconds[microseconds.size() / 2];
  state.counters["p99_us"] = microseconds[microseconds.size() * 99 / 100];
}
BENCHMARK(recreate_context);

}  // namespace
}  // namespace penstock
