// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Each layer's time against what the device could do it in.
#include <penstock/diagnostics.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "base/memory_guard.h"
#include "ops/cost.h"
#include "runtime/context_state.h"
#include "tune/ceilings.h"

namespace penstock {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr double kMeasuredSeconds = 0.5;
constexpr int kLeastRuns = 5;
constexpr int kMostRuns = 200;
constexpr int kRepeats = 50;  // of a GPU's step in a row

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The times of each step, in the order of the run.
class StepTimes : public Profiler {
 public:
  void report_step(std::string_view, double milliseconds) override {
    if (next_ == times.size()) times.emplace_back();
    times[next_++].push_back(milliseconds * 1000);
  }
  void end_run() { next_ = 0; }

  std::vector<std::vector<double>> times;  // microseconds

 private:
  size_t next_ = 0;
};

// A context that ran once under a profile, at its opt shapes and on random inputs.
class Subject {
 public:
  static Result<std::unique_ptr<Subject>> create(std::shared_ptr<runtime::EngineState> engine,
                                                 size_t profile) {
    if (profile >= engine->profile_count()) {
      return Status(StatusCode::kInvalidArgument,
                    "no profile " + std::to_string(profile) + "; the plan has " +
                        std::to_string(engine->profile_count()) + ", numbered from 0");
    }
    const int threads = engine->contents().threads;
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Stream> stream,
                              engine->backend().create_stream(threads));
    std::unique_ptr<backends::Stream> host_stream;
    if (engine->is_mixed()) {
      PENSTOCK_ASSIGN_OR_RETURN(host_stream, engine->host().create_stream(threads));
    }
    std::unique_ptr<Subject> subject(new Subject(engine));
    subject->context_ = std::make_unique<runtime::ContextState>(
        engine, std::move(stream), std::move(host_stream), ContextOptions());
    PENSTOCK_RETURN_IF_ERROR(subject->context_->set_profile(static_cast<int>(profile)));
    PENSTOCK_RETURN_IF_ERROR(subject->set_inputs(engine->profiles()[profile]));
    PENSTOCK_RETURN_IF_ERROR(subject->run());
    return subject;
  }

  // Microseconds of each step of the main body. A GPU's steps are timed as a graph of repeats,
  // since launched one by one they would be timed by the host.
  Result<std::vector<double>> step_times() {
    StepTimes profile;
    context_->profiler = &profile;
    const Clock::time_point begin = Clock::now();
    for (int run = 0; run < kMostRuns; ++run) {
      const std::chrono::duration<double> spent = Clock::now() - begin;
      if (run >= kLeastRuns && spent.count() > kMeasuredSeconds) break;
      PENSTOCK_RETURN_IF_ERROR(this->run());
      profile.end_run();
    }
    context_->profiler = nullptr;
    std::vector<double> times;
    const auto& steps = context_->program().steps(0);
    for (size_t i = 0; i < steps.size(); ++i) {
      times.push_back(i < profile.times.size() ? median(profile.times[i]) : 0);
      if (!steps[i].on_device || steps[i].late) continue;
      if (steps[i].step->tactic == runtime::TransferTactic::kName) continue;
      PENSTOCK_ASSIGN_OR_RETURN(times.back(), context_->time_step(i, kRepeats));
    }
    return times;
  }

  runtime::ContextState& context() { return *context_; }

 private:
  explicit Subject(std::shared_ptr<runtime::EngineState> engine) : engine_(std::move(engine)) {}

  Status run() { return context_->run(context_->own_stream()); }

  Status set_inputs(const OptimizationProfile& profile) {
    for (const TensorInfo& input : engine_->inputs()) {
      if (input.kind != ValueKind::kTensor) {
        return {StatusCode::kUnsupported, "input '" + input.name +
                                              "' is no tensor: the roofline is of plans whose "
                                              "inputs are tensors"};
      }
      const auto range = profile.inputs.find(input.name);
      const Shape& shape = range == profile.inputs.end() ? input.shape : range->second.opt;
      const auto values = profile.values.find(input.name);
      inputs_.push_back(values == profile.values.end()
                            ? random_tensor(input.dtype, shape, inputs_.size())
                            : integer_tensor(input.dtype, shape, values->second.opt));
      PENSTOCK_RETURN_IF_ERROR(context_->set_input_shape(input.name, shape));
      PENSTOCK_RETURN_IF_ERROR(
          context_->set_address(input.name, const_cast<void*>(inputs_.back().data())));
    }
    return Status::ok();
  }

  std::shared_ptr<runtime::EngineState> engine_;
  std::vector<Tensor> inputs_;
  std::unique_ptr<runtime::ContextState> context_;
};

// What a product computes in, as ceilings are named; empty for what has no ceiling of its own.
std::string precision_of(const backends::NodeFacts& node) {
  if (node.inputs.empty()) return "";
  if (node.config.substr(0, 5) == "tf32:") return "tf32";
  switch (node.inputs[0].dtype) {
    case DataType::kInt8:
    case DataType::kUInt8: return "int8";
    default: return std::string(to_string(node.inputs[0].dtype));
  }
}

struct Layer {
  backends::NodeFacts node;
  const plan::Step* step = nullptr;
  ops::Cost cost;
  std::string precision;  // of products
  bool has_ceiling = false;
  double microseconds = 0;
};

std::vector<Layer> layers_of(runtime::ContextState& context) {
  std::vector<Layer> layers;
  const runtime::ProgramState& program = context.program();
  const runtime::Binding& binding = context.binding();
  const bool is_mixed = context.engine().is_mixed();
  for (const runtime::StepCode& code : program.steps(0)) {
    Layer layer;
    layer.step = code.step;
    // Shapes that depend on data, and what the CPU does in a plan for a GPU, have no ceiling here.
    layer.has_ceiling = !code.late && code.on_device == is_mixed &&
                        code.step->tactic != runtime::TransferTactic::kName;
    if (layer.has_ceiling) {
      layer.node = program.facts(code, binding.symbols, context.engine().contents().threads,
                                 [&](int slot) { return binding.shapes[slot]; });
      layer.cost = ops::cost_of(layer.node);
      if (layer.cost.is_product) layer.precision = precision_of(layer.node);
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

// Microseconds at the ceiling that binds, with its name; 0 where there is none.
std::pair<double, const char*> ceiling_of(const Layer& layer, const tune::Ceilings& ceilings) {
  if (!layer.has_ceiling || ceilings.bytes_per_second == 0) return {0, "none"};
  const double memory = layer.cost.bytes / ceilings.bytes_per_second * 1e6;
  const auto rate = ceilings.operations_per_second.find(layer.precision);
  if (rate == ceilings.operations_per_second.end()) return {memory, "memory"};
  const double compute = layer.cost.operations / rate->second * 1e6;
  return compute > memory ? std::pair(compute, "compute") : std::pair(memory, "memory");
}

json describe(size_t index, const Layer& layer, const tune::Ceilings& ceilings) {
  const auto [ceiling, bound] = ceiling_of(layer, ceilings);
  json item = {{"index", index},           {"name", layer.step->name},
               {"op", layer.step->op},     {"tactic", layer.step->tactic},
               {"us", layer.microseconds}, {"bound", bound}};
  if (!layer.has_ceiling) return item;
  item["bytes"] = layer.cost.bytes;
  item["operations"] = layer.cost.operations;
  if (!layer.precision.empty()) item["precision"] = layer.precision;
  if (layer.microseconds <= 0) return item;
  item["bytes_per_second"] = layer.cost.bytes / layer.microseconds * 1e6;
  item["operations_per_second"] = layer.cost.operations / layer.microseconds * 1e6;
  item["ceiling_us"] = ceiling;
  item["share"] = ceiling / layer.microseconds;
  item["gain_us"] = std::max(0.0, layer.microseconds - ceiling);
  return item;
}

Result<std::string> roofline(Result<plan::PlanFile> opened, const std::string& path,
                             const RooflineOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const std::shared_ptr<runtime::EngineState> engine,
      runtime::EngineState::open([&] { return std::move(opened); }, options.device));
  const backends::CurrentDevice current(engine->backend());
  PENSTOCK_ASSIGN_OR_RETURN(const std::unique_ptr<Subject> subject,
                            Subject::create(engine, options.profile));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> times, subject->step_times());
  std::vector<Layer> layers = layers_of(subject->context());
  std::set<std::string> precisions;
  for (const Layer& layer : layers) {
    if (!layer.precision.empty()) precisions.insert(layer.precision);
  }
  PENSTOCK_ASSIGN_OR_RETURN(const tune::Ceilings ceilings,
                            tune::measure_ceilings(engine->backend(), engine->contents().threads,
                                                   {precisions.begin(), precisions.end()}));
  json items = json::array();
  double total = 0;
  double gain = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    layers[i].microseconds = times[i];
    items.push_back(describe(i, layers[i], ceilings));
    total += times[i];
    gain += items.back().value("gain_us", 0.0);
  }
  return json{{"file", path},
              {"model", engine->contents().model_name},
              {"device", engine->backend().product_name()},
              {"threads", engine->contents().threads},
              {"profile", options.profile},
              {"ceilings",
               {{"bytes_per_second", ceilings.bytes_per_second},
                {"operations_per_second", ceilings.operations_per_second}}},
              {"us", total},
              {"gain_us", gain},
              {"layers", std::move(items)}}
      .dump(1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Result<std::string> roofline(const std::filesystem::path& plan_path,
                             const RooflineOptions& options) {
  return guard_memory("the roofline of this plan", [&] {
    return roofline(plan::PlanFile::open(plan_path), plan_path.string(), options);
  });
}

Result<std::string> roofline(const Plan& plan, const RooflineOptions& options) {
  return guard_memory("the roofline of this plan",
                      [&] { return roofline(plan::PlanFile::from_memory(plan), "", options); });
}

}  // namespace penstock
