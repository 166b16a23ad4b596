// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/builder.h>
#include <penstock/engine.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "backends/cpu/cpu_backend.h"
#include "base/memory_guard.h"
#include "base/names.h"
#include "base/processors.h"
#include "compiler/code_cache.h"
#include "compiler/contracts.h"
#include "compiler/lower.h"
#include "compiler/processor_precision.h"
#include "compiler/profile.h"
#include "compiler/report.h"
#include "compiler/warnings.h"
#include "import/import.h"
#include "ops/cpu_tactics.h"
#include "ops/find_backend.h"
#include "passes/pipeline.h"
#include "passes/precision.h"
#include "quantize/insert.h"
#include "quantize/layers.h"
#include "runtime/device_code.h"
#include "tune/layout_choice.h"
#include "tune/shared_choice.h"

namespace penstock {
namespace {

using Clock = std::chrono::steady_clock;

void tell(const BuildOptions& options, std::string_view what, double fraction) {
  if (options.progress) options.progress(what, fraction);
}

void begin_phase(const BuildOptions& options, std::string_view what, double fraction) {
  tell(options, what, fraction);
  if (options.log) options.log(std::string(what));
}

Status check_sources(const std::vector<std::string>& names, const backends::Backend& backend) {
  std::vector<std::string> known;
  for (const backends::TacticSource* source : backend.tactic_sources()) {
    known.emplace_back(source->name());
  }
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return {StatusCode::kInvalidArgument,
              "no tactic source is named '" + name + "'; " + suggest(name, known)};
    }
  }
  return Status::ok();
}

Status check_options(const BuildOptions& options) {
  if (options.optimization_level < 0 || options.optimization_level > 5) {
    return {StatusCode::kInvalidArgument,
            "optimization level " + std::to_string(options.optimization_level) + "; give 0 to 5"};
  }
  if (options.threads < 0 || options.threads > 1024) {
    return {StatusCode::kInvalidArgument,
            std::to_string(options.threads) + " threads; give 0 (all processors) to 1024"};
  }
  if (options.concurrent_contexts < 1 || options.concurrent_contexts > 64) {
    return {StatusCode::kInvalidArgument,
            std::to_string(options.concurrent_contexts) +
                " concurrent contexts; give 1 (a run alone, as fast as can be) to 64"};
  }
  if (!options.profiles.empty() &&
      !(options.profile.inputs.empty() && options.profile.values.empty())) {
    return {StatusCode::kInvalidArgument,
            "both a profile and a list of profiles; give one of them"};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto backend, ops::find_backend(options.device));
  return check_sources(options.tactic_sources, *backend);
}

// Found before minutes of tuning are spent: that the plan could not be written in the end.
Status check_writable(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return {StatusCode::kIoError,
            "cannot write '" + path.string() + "': there is no folder '" + folder.string() + "'"};
  }
  if (std::filesystem::is_directory(path, error)) {
    return {StatusCode::kIoError, "cannot write '" + path.string() + "': it is a folder"};
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    return {StatusCode::kIoError, "cannot write '" + path.string() +
                                      "': no permission to write in '" + folder.string() + "'"};
  }
  return Status::ok();
}

Status dump(const ir::Graph& graph, const std::filesystem::path& path) {
  if (path.empty()) return Status::ok();
  std::ofstream file(path);
  file << ir::to_text(graph);
  file.close();
  if (file) return Status::ok();
  return {StatusCode::kIoError, "cannot write '" + path.string() + "'"};
}

void add_warning(const BuildOptions& options, BuildSummary& summary, std::string warning) {
  if (options.log) options.log("warning: " + warning);
  summary.warnings.push_back(std::move(warning));
}

// All of a plan.
struct Tuned {
  plan::Contents contents;
  compiler::ConstantPool constants;
  std::string report;
};

// What the profiles of a build have in common besides the constants.
struct Sharing {
  tune::TimingCache cache;
  tune::SharedChoice choice;
  std::vector<std::string> reports;
};

// A model on its way to a plan.
struct Compilation {
  ir::Graph graph;
  std::vector<OptimizationProfile> profiles;
  compiler::Contracts contracts;
  BuildSummary summary;
};

tune::TuneOptions tune_options(const BuildOptions& options, tune::SymbolValues symbols,
                               int threads) {
  tune::TuneOptions tuning;
  tuning.threads = threads;
  tuning.concurrent_contexts = options.concurrent_contexts;
  tuning.level = options.optimization_level;
  tuning.workspace_bytes = options.workspace_bytes;
  tuning.sources = options.tactic_sources;
  tuning.symbols = std::move(symbols);
  tuning.cancelled = options.cancelled;
  tuning.log = options.log;
  return tuning;
}

// In 16 bits what is faster so.
Status lower_on_processor(Compilation& work, const BuildOptions& options, int threads,
                          backends::Backend& backend, Sharing& sharing) {
  begin_phase(options, "choose precisions", 0.05);
  std::vector<tune::TuneOptions> profiles;
  for (const OptimizationProfile& profile : work.profiles) {
    PENSTOCK_ASSIGN_OR_RETURN(tune::SymbolValues symbols,
                              compiler::opt_symbols(work.graph, profile));
    profiles.push_back(tune_options(options, std::move(symbols), threads));
    profiles.back().progress = [&](double part) {
      tell(options, "choose precisions", 0.05 + 0.05 * part);
    };
  }
  PENSTOCK_ASSIGN_OR_RETURN(const compiler::ProcessorPrecision precision,
                            compiler::lower_for_processor(work.graph, options.precision,
                                                          backends::sixteen_bit_instructions(),
                                                          backend, profiles, sharing.cache));
  PENSTOCK_RETURN_IF_ERROR(sharing.cache.save());
  if (options.log && !precision.log.empty()) options.log(precision.log);
  if (!precision.warning.empty()) add_warning(options, work.summary, precision.warning);
  return Status::ok();
}

// What the plan's kernels need.
std::string instruction_set_of(const ir::Graph& graph, const backends::Backend& backend) {
  if (!backend.is_host_memory()) return backend.instruction_set();
  const std::string needed =
      compiler::sixteen_bit_products(graph, backends::sixteen_bit_instructions());
  return needed.empty() ? backend.instruction_set() : needed;
}

// One profile's program, on the constants and measurements that all share.
Status add_program(Compilation& work, size_t index, const BuildOptions& options,
                   backends::Backend& backend, Sharing& sharing, Tuned& tuned) {
  const OptimizationProfile& profile = work.profiles[index];
  const auto count = static_cast<double>(work.profiles.size());
  const double done = 0.1 + 0.8 * static_cast<double>(index) / count;
  const std::string what = count > 1 ? "tune profile " + std::to_string(index) : "tune";
  PENSTOCK_ASSIGN_OR_RETURN(const tune::SymbolValues symbols,
                            compiler::opt_symbols(work.graph, profile));
  tune::TuneOptions tuning = tune_options(options, symbols, tuned.contents.threads);
  tuning.progress = [&](double part) { tell(options, what, done + 0.8 * part / count); };
  begin_phase(options, what, done);
  tune::Tuner tuner(backend, *ops::cpu_backend(), sharing.cache, tuning);
  const Status tuning_status = tuner.add(work.graph.main, false);
  // What was measured is kept, whatever became of the build.
  PENSTOCK_RETURN_IF_ERROR(sharing.cache.save());
  PENSTOCK_RETURN_IF_ERROR(tuning_status);
  tune::LayoutChoice layouts(tuner, work.graph.main);
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<size_t> choice, layouts.solve());
  sharing.choice.apply(tuner.nodes(), choice);
  PENSTOCK_ASSIGN_OR_RETURN(
      compiler::Lowered lowered,
      compiler::lower(work.graph, tuner, choice, symbols, tuned.contents.threads, tuned.constants));
  PENSTOCK_RETURN_IF_ERROR(sharing.cache.save());
  if (const std::string fallen = compiler::host_nodes_warning(tuner); !fallen.empty()) {
    add_warning(options, work.summary, count > 1 ? what + ": " + fallen : fallen);
  }
  // The report refers to the tuner's candidates: make it while they live.
  sharing.reports.push_back(compiler::profile_report(lowered));
  lowered.program.profile = profile;
  compiler::record(work.contracts, lowered.program);
  tuned.contents.programs.push_back(std::move(lowered.program));
  work.summary.tactics_measured += tuner.counts().measured;
  work.summary.tactics_cached += tuner.counts().cached;
  return Status::ok();
}

// Rules of a build without INT8: a layer cannot be in 8 bits, and is in float32 where all are.
Status check_float_rules(const BuildOptions& options) {
  for (const LayerPrecision& rule : options.layer_precisions) {
    if (rule.precision == DataType::kInt8) {
      return {StatusCode::kInvalidArgument,
              "layer precision '" + rule.layers +
                  ":int8' in a build without INT8: ask for INT8 (--int8, with calibration data), "
                  "and for other layers in fp32"};
    }
    if (options.precision != DataType::kFloat32) {
      return {StatusCode::kUnsupported,
              "layer precision '" + rule.layers + ":fp32' in a build in " +
                  std::string(to_string(options.precision)) +
                  ": layers have a precision of their own in INT8 builds only"};
    }
  }
  return Status::ok();
}

// Before the phase of that name: 8-bit integers where INT8 was asked for and the model does not
// have them itself.
Status quantize(ir::Graph& graph, const BuildOptions& options, BuildSummary& summary) {
  for (const std::string& rule : quantize::idle_rules(graph, options.layer_precisions)) {
    add_warning(options, summary, "layer precision '" + rule + "' names no layer of the model");
  }
  if (!options.int8) return check_float_rules(options);
  const auto& nodes = graph.main.nodes;
  if (std::any_of(nodes.begin(), nodes.end(),
                  [](const ir::Node& node) { return node.op == "DequantizeLinear"; })) {
    if (options.calibration == nullptr) return Status::ok();
    add_warning(options, summary,
                "the model is quantized as it comes, and stays so: the calibration is not used");
    return Status::ok();
  }
  if (options.calibration == nullptr) {
    return {StatusCode::kInvalidArgument,
            "INT8 was asked for, and the model has no QuantizeLinear: it needs calibration data, "
            "or a calibration cache"};
  }
  PENSTOCK_RETURN_IF_ERROR(quantize::check_rules(graph, options.layer_precisions));
  PENSTOCK_ASSIGN_OR_RETURN(const auto backend, ops::find_backend(options.device));
  quantize::InsertOptions insert;
  insert.unsigned_activations = backend->is_host_memory();
  insert.layer_precisions = options.layer_precisions;
  PENSTOCK_ASSIGN_OR_RETURN(const quantize::Inserted inserted,
                            quantize::insert_quantization(graph, *options.calibration, insert));
  if (options.log) {
    options.log("  quantize: " + std::to_string(inserted.quantized) + " layers in INT8, " +
                std::to_string(inserted.kept.size()) + " kept in float as asked");
  }
  return Status::ok();
}

passes::PipelineOptions pipeline_options(const BuildOptions& options, BuildSummary& summary) {
  passes::PipelineOptions pipeline;
  pipeline.stop_after = options.stop_after;
  pipeline.fuse = options.fuse;
  pipeline.quantize = !(options.int8 && options.simulate_int8);
  pipeline.before_quantize = [&](ir::Graph& graph) { return quantize(graph, options, summary); };
  pipeline.on_pass = [&options](std::string_view pass, size_t before, size_t after) {
    if (!options.log || before == after) return;
    options.log("  " + std::string(pass) + ": " + std::to_string(before) + " -> " +
                std::to_string(after) + " nodes");
  };
  return pipeline;
}

// `profile` is short for a list of one.
std::vector<OptimizationProfile> asked_profiles(const BuildOptions& options) {
  if (!options.profiles.empty()) return options.profiles;
  return {options.profile};
}

// Completes the profiles, and tells which inputs' values they plan.
importer::ChooseShapeInputs complete_profiles(const BuildOptions& options,
                                              std::vector<OptimizationProfile>& profiles) {
  return [&options, &profiles](const ir::Graph& graph) -> Result<std::vector<ir::Value*>> {
    const std::vector<OptimizationProfile> asked = asked_profiles(options);
    for (size_t i = 0; i < asked.size(); ++i) {
      Result<OptimizationProfile> profile = compiler::complete_profile(graph, asked[i]);
      if (!profile.is_ok()) {
        return asked.size() == 1 ? profile.status()
                                 : profile.status().with_context("profile " + std::to_string(i));
      }
      profiles.push_back(*std::move(profile));
    }
    return compiler::planned_inputs(graph, profiles);
  };
}

// All that comes before tuning. `import` gives the graph and asks for the inputs to plan. With
// stop_after the graph's text is written as well.
template <typename Import>
Result<Compilation> optimise(Import&& import, const std::string& default_name,
                             const BuildOptions& options) {
  std::vector<OptimizationProfile> profiles;
  Result<ir::Graph> graph = import(complete_profiles(options, profiles));
  PENSTOCK_RETURN_IF_ERROR(graph.status());
  PENSTOCK_ASSIGN_OR_RETURN(compiler::Contracts contracts,
                            compiler::input_contracts(*graph, options));
  Compilation work{*std::move(graph), std::move(profiles), std::move(contracts), {}};
  if (work.graph.name.empty()) work.graph.name = default_name;
  work.summary.profiles = static_cast<int>(work.profiles.size());
  work.summary.onnx_nodes = work.graph.onnx_node_count;
  if (options.stop_after == "import") {
    PENSTOCK_RETURN_IF_ERROR(dump(work.graph, options.dump));
    return work;
  }
  begin_phase(options, "optimise", 0.03);
  PENSTOCK_RETURN_IF_ERROR(
      passes::run_pipeline(work.graph, pipeline_options(options, work.summary)));
  work.summary.kernels = static_cast<int>(work.graph.main.nodes.size());
  if (!options.stop_after.empty()) PENSTOCK_RETURN_IF_ERROR(dump(work.graph, options.dump));
  return work;
}

Result<Tuned> tune_and_lower(Compilation& work, const BuildOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<backends::Backend> backend,
                            ops::find_backend(options.device));
  if (options.memory_limit_bytes > 0) {
    backend->memory_budget().set_limit(options.memory_limit_bytes);
  }
  const backends::CurrentDevice current(*backend);
  Sharing sharing;
  PENSTOCK_ASSIGN_OR_RETURN(sharing.cache, tune::TimingCache::load(options.timing_cache));
  const int threads = options.threads == 0 ? processor_count() : options.threads;
  if (options.precision != DataType::kFloat32) {
    PENSTOCK_RETURN_IF_ERROR(backend->is_host_memory()
                                 ? lower_on_processor(work, options, threads, *backend, sharing)
                                 : passes::lower_precision(work.graph, options.precision));
  }
  if (options.tf32 && backend->is_host_memory()) {
    add_warning(options, work.summary, "TF32 was asked for, which processors do not compute in");
  } else if (options.tf32) {
    passes::allow_tf32(work.graph);
  }
  if (!backend->is_host_memory()) {
    PENSTOCK_RETURN_IF_ERROR(
        passes::fuse_for_gpu(work.graph, pipeline_options(options, work.summary)));
  }
  work.summary.device = backend->device();
  if (options.log && options.device == "auto" && backend->is_host_memory()) {
    const Status no_gpu = ops::find_backend("cuda").status();
    options.log("device: the CPU" + (no_gpu.is_ok() ? "" : ", because " + no_gpu.message()));
  }
  Tuned tuned;
  tuned.contents.model_name = work.graph.name;
  tuned.contents.backend = backend->name();
  tuned.contents.instruction_set = instruction_set_of(work.graph, *backend);
  tuned.contents.fingerprint = backend->fingerprint();
  tuned.contents.threads = threads;
  for (size_t i = 0; i < work.profiles.size(); ++i) {
    const Status status = add_program(work, i, options, *backend, sharing, tuned);
    if (status.is_ok()) continue;
    return work.profiles.size() == 1 ? status : status.with_context("profile " + std::to_string(i));
  }
  begin_phase(options, "write", 0.95);
  tuned.report = compiler::make_report(work.graph, sharing.reports, options.concurrent_contexts);
  return tuned;
}

// For a device that has kernels to be compiled; the host's are code of this program.
Result<plan::MakeCode> code_maker(const BuildOptions& options, const BuildSummary& summary) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::shared_ptr<backends::Backend> backend,
                            ops::find_backend(summary.device));
  if (backend->is_host_memory()) return plan::MakeCode();
  PENSTOCK_ASSIGN_OR_RETURN(compiler::CodeCache loaded,
                            compiler::CodeCache::load(options.timing_cache));
  const auto cache = std::make_shared<const compiler::CodeCache>(std::move(loaded));
  using Items = std::vector<backends::CodeItem>;
  return plan::MakeCode([backend, cache](plan::PlanFile draft) -> Result<Items> {
    PENSTOCK_ASSIGN_OR_RETURN(
        Items items,
        runtime::make_device_code(std::move(draft), backend, ops::cpu_backend(), cache->views()));
    PENSTOCK_RETURN_IF_ERROR(cache->save(items));
    return items;
  });
}

BuildSummary summarise(const Compilation& work, const Engine& engine, Clock::time_point begin) {
  BuildSummary summary = work.summary;
  summary.kernels = static_cast<int>(engine.step_count());
  summary.plan_bytes = engine.plan_bytes();
  summary.weight_bytes = engine.weight_bytes();
  summary.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return summary;
}

// `import` gives the graph: after the options are checked, and timed.
template <typename Import>
Result<BuiltPlan> build_in_memory(const std::string& default_name, const BuildOptions& options,
                                  Import&& import) {
  const Clock::time_point begin = Clock::now();
  PENSTOCK_RETURN_IF_ERROR(check_options(options));
  if (!options.stop_after.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "stop_after writes no plan: give it with a plan path, or leave it out");
  }
  begin_phase(options, "import", 0);
  PENSTOCK_ASSIGN_OR_RETURN(Compilation work, optimise(import, default_name, options));
  PENSTOCK_ASSIGN_OR_RETURN(const Tuned tuned, tune_and_lower(work, options));
  PENSTOCK_ASSIGN_OR_RETURN(const plan::MakeCode make_code, code_maker(options, work.summary));
  BuiltPlan built;
  PENSTOCK_ASSIGN_OR_RETURN(built.plan, plan::make_plan(tuned.contents, tuned.report,
                                                        tuned.constants.constants(), make_code));
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine,
                            Engine::deserialize(built.plan, {work.summary.device}));
  built.summary = summarise(work, engine, begin);
  begin_phase(options, "done", 1);
  return built;
}

Result<BuildSummary> build_file(const std::filesystem::path& onnx_path,
                                const std::filesystem::path& plan_path,
                                const BuildOptions& options) {
  const Clock::time_point begin = Clock::now();
  PENSTOCK_RETURN_IF_ERROR(check_options(options));
  if (options.stop_after.empty()) PENSTOCK_RETURN_IF_ERROR(check_writable(plan_path));
  begin_phase(options, "import", 0);
  const auto import = [&](const importer::ChooseShapeInputs& choose) {
    return importer::import_onnx(onnx_path, choose);
  };
  PENSTOCK_ASSIGN_OR_RETURN(Compilation work, optimise(import, onnx_path.stem().string(), options));
  if (!options.stop_after.empty()) return work.summary;
  PENSTOCK_ASSIGN_OR_RETURN(const Tuned tuned, tune_and_lower(work, options));
  PENSTOCK_ASSIGN_OR_RETURN(const plan::MakeCode make_code, code_maker(options, work.summary));
  PENSTOCK_RETURN_IF_ERROR(plan::write_plan(plan_path, tuned.contents, tuned.report,
                                            tuned.constants.constants(), make_code));
  // What was written must load: a plan that cannot is a defect found here, not in production.
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, Engine::load(plan_path, {work.summary.device}));
  const BuildSummary summary = summarise(work, engine, begin);
  begin_phase(options, "done", 1);
  return summary;
}

constexpr std::string_view kGuarded = "the build of this model";

}  // namespace

Result<BuildSummary> build_plan(const std::filesystem::path& onnx_path,
                                const std::filesystem::path& plan_path,
                                const BuildOptions& options) {
  return guard_memory(kGuarded, [&] { return build_file(onnx_path, plan_path, options); });
}

Result<BuiltPlan> build_plan_in_memory(const std::filesystem::path& onnx_path,
                                       const BuildOptions& options) {
  return guard_memory(kGuarded, [&] {
    return build_in_memory(onnx_path.stem().string(), options,
                           [&](const importer::ChooseShapeInputs& choose) {
                             return importer::import_onnx(onnx_path, choose);
                           });
  });
}

Result<BuiltPlan> build_plan_in_memory(const OnnxBytes& onnx, const BuildOptions& options) {
  return guard_memory(kGuarded, [&] {
    return build_in_memory(onnx.name, options, [&](const importer::ChooseShapeInputs& choose) {
      return importer::import_onnx_from_memory(onnx.bytes, onnx.folder, choose);
    });
  });
}

}  // namespace penstock
