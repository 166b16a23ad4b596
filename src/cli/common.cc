// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "backends/memory_budget.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/shapes.h"

namespace penstock::cli {

namespace {

constexpr int kMostProfiles = 1000;

Result<OptimizationProfile> parse_profile(const BuildFlags::ProfileTexts& texts) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto min, parse_shapes(texts.min_shapes));
  PENSTOCK_ASSIGN_OR_RETURN(const auto opt, parse_shapes(texts.opt_shapes));
  PENSTOCK_ASSIGN_OR_RETURN(const auto max, parse_shapes(texts.max_shapes));
  OptimizationProfile profile;
  for (const auto& [name, shape] : min) profile.inputs[name].min = shape;
  for (const auto& [name, shape] : opt) profile.inputs[name].opt = shape;
  for (const auto& [name, shape] : max) profile.inputs[name].max = shape;
  return profile;
}

// "NAME:fp32"; names may have colons.
Result<LayerPrecision> parse_layer_precision(const std::string& rule) {
  const size_t colon = rule.rfind(':');
  const std::string precision = colon == std::string::npos ? "" : rule.substr(colon + 1);
  const bool is_float = precision == "fp32" || precision == "float32";
  if (colon == 0 || (!is_float && precision != "int8")) {
    return Status(StatusCode::kInvalidArgument,
                  "layer precision '" + rule + "'; give NAME:fp32 or NAME:int8");
  }
  return LayerPrecision{rule.substr(0, colon), is_float ? DataType::kFloat32 : DataType::kInt8};
}

}  // namespace

// Order matters: shapes belong to the --profile before them.
void BuildFlags::add_profiles_to(CLI::App& command) {
  command
      .add_option_function<int>(
          "--profile",
          [this](const int& index) {
            profile = index;
            profiles[index];
          },
          "Number of the profile that the shapes after it describe (default: 0)")
      ->check(CLI::Range(0, kMostProfiles - 1))
      ->trigger_on_parse();
  const auto add = [&](const std::string& names, std::string ProfileTexts::*text,
                       const std::string& description) {
    command
        .add_option_function<std::string>(
            names,
            [this, text](const std::string& shapes) {
              std::string& all = profiles[profile].*text;
              all += (all.empty() ? "" : ",") + shapes;
            },
            description)
        ->trigger_on_parse();
  };
  add("--min-shapes,--minShapes", &ProfileTexts::min_shapes,
      "Smallest input shapes: NAME:1x3x224x224[,NAME:...]; values of an input that holds a shape");
  add("--opt-shapes,--optShapes", &ProfileTexts::opt_shapes,
      "Input shapes to tune for (default: batch 1, other varying axes 128)");
  add("--max-shapes,--maxShapes", &ProfileTexts::max_shapes,
      "Largest input shapes (default: no limit)");
}

void add_memory_limit(CLI::App& command, uint64_t& bytes) {
  command.add_option_function<std::string>(
      "--memory-limit,--gpu-mem-limit,--gpu_mem_limit",
      [&bytes](const std::string& text) {
        const std::optional<uint64_t> size = backends::parse_size(text);
        if (!size || *size == 0) {
          throw CLI::ValidationError("--memory-limit",
                                     "'" + text + "' is no size; give 4GiB or 512MiB");
        }
        bytes = *size;
      },
      "Most memory of the device that this process may hold, such as 4GiB (default: what "
      "PENSTOCK_MEMORY_LIMIT says, else what there is)");
}

void BuildFlags::add_to(CLI::App& command) {
  add_profiles_to(command);
  command
      .add_option("--device", device,
                  "cpu, cuda:N, or auto: what PENSTOCK_DEVICE names, else a GPU where there is one")
      ->capture_default_str();
  auto* half = command.add_flag("--fp16", fp16, "Compute in float16 where the device does");
  auto* brain = command.add_flag("--bf16", bf16, "Compute in bfloat16 where the device does");
  brain->excludes(half);
  command
      .add_flag("--best", best,
                "float16 where the device computes in it, and INT8 too where there is calibration "
                "data or a cache")
      ->excludes(half)
      ->excludes(brain);
  command.add_flag("--tf32", tf32,
                   "Let float32 products of a GPU round their factors to 10 bits of mantissa");
  command.add_flag("--int8", int8,
                   "Convolutions and products with constant weights in 8 bits: as the model's "
                   "QuantizeLinear says, else by --calib or --calib-cache");
  calibration.add_to(command);
  contract.add_to(command);
  command
      .add_option("--layer-precisions,--layerPrecisions", layer_precisions,
                  "NAME:fp32 or NAME:int8, by ONNX node (\"layer4*:fp32\") or operator "
                  "(\"op:Conv:fp32\"); the last that names a layer counts")
      ->delimiter(',');
  command
      .add_option(
          "--concurrent-contexts", concurrent_contexts,
          "Contexts that will run side by side: choose what does most runs in a second then, "
          "not the fastest run alone")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_memory_limit(command, memory_limit);
  command.add_option("--threads", threads, "Threads that share a kernel; 0: all processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command
      .add_option("--opt-level,--builderOptimizationLevel", level,
                  "0: first tactic, unmeasured ... 3: measure ... 5: measure every tactic")
      ->check(CLI::Range(0, 5))
      ->capture_default_str();
  command.add_option("--timing-cache,--timingCacheFile", timing_cache,
                     "File of measured times: read, extended, makes the next build fast");
  command
      .add_option("--workspace", workspace_mib,
                  "Most scratch memory of one kernel, MiB (0: no limit)")
      ->check(CLI::NonNegativeNumber);
}

Result<BuildOptions> BuildFlags::options() const {
  BuildOptions options;
  options.device = device;
  if (fp16 || best) options.precision = DataType::kFloat16;
  if (bf16) options.precision = DataType::kBFloat16;
  options.tf32 = tf32;
  options.int8 = int8 || (best && calibration.is_given());
  PENSTOCK_ASSIGN_OR_RETURN(options.input_contracts, contract.contracts());
  for (const std::string& rule : layer_precisions) {
    PENSTOCK_ASSIGN_OR_RETURN(LayerPrecision parsed, parse_layer_precision(rule));
    options.layer_precisions.push_back(std::move(parsed));
  }
  options.threads = threads;
  options.optimization_level = level;
  options.timing_cache = timing_cache;
  options.tactic_sources = tactic_sources;
  options.concurrent_contexts = concurrent_contexts;
  options.memory_limit_bytes = memory_limit;
  options.workspace_bytes = static_cast<uint64_t>(workspace_mib * 1024 * 1024);
  for (const auto& [index, texts] : profiles) {
    if (index != static_cast<int>(options.profiles.size())) {
      return Status(StatusCode::kInvalidArgument,
                    "--profile " + std::to_string(index) + " without --profile " +
                        std::to_string(options.profiles.size()) + "; number them from 0");
    }
    PENSTOCK_ASSIGN_OR_RETURN(OptimizationProfile profile, parse_profile(texts));
    options.profiles.push_back(std::move(profile));
  }
  return options;
}

int report(const Status& status) {
  fmt::print(stderr, "error: {}\n", status.message());
  return 1;
}

Result<BuildSummary> build_with_progress(const std::string& onnx, const std::string& plan,
                                         BuildOptions options, const CalibrationFlags& calibration,
                                         bool quiet) {
  catch_interrupts();
  options.cancelled = interrupted;
  if (options.int8) {
    PENSTOCK_ASSIGN_OR_RETURN(options.calibration, calibration.table(onnx, options, quiet));
  }
  const auto build = [&] {
    Progress progress("build " + std::filesystem::path(onnx).filename().string(), quiet);
    options.progress = [&](std::string_view what, double fraction) {
      progress.update(what, fraction);
    };
    return build_plan(onnx, plan, options);
  };
  Result<BuildSummary> summary = build();
  if (summary.is_ok()) {
    for (const std::string& warning : summary->warnings) {
      fmt::print(stderr, "warning: {}\n", warning);
    }
  }
  if (!summary.is_ok() && summary.status().code() == StatusCode::kCancelled) {
    const std::string kept =
        options.timing_cache.empty()
            ? "; with --timing-cache FILE its measurements would be kept"
            : "; its measurements are kept in '" + options.timing_cache.string() + "'";
    return Status(StatusCode::kCancelled, summary.status().message() + kept);
  }
  return summary;
}

Result<PlanSource> PlanSource::open(const std::string& model, const BuildFlags& flags) {
  if (std::filesystem::path(model).extension() != ".onnx") return PlanSource(model, false);
  PENSTOCK_ASSIGN_OR_RETURN(const BuildOptions options, flags.options());
  static int count = 0;
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() /
      ("penstock-" + std::to_string(::getpid()) + "-" + std::to_string(count++) + ".plan");
  PENSTOCK_ASSIGN_OR_RETURN(
      const BuildSummary summary,
      build_with_progress(model, path.string(), options, flags.calibration, false));
  fmt::print(stderr, "built {} for {} in {:.1f} s: {} ONNX nodes, {} kernels\n", model,
             summary.device, summary.seconds, summary.onnx_nodes, summary.kernels);
  return PlanSource(path.string(), true);
}

PlanSource::PlanSource(PlanSource&& other) noexcept
    : path_(std::move(other.path_)), temporary_(other.temporary_) {
  other.temporary_ = false;
}

PlanSource::~PlanSource() {
  std::error_code ignored;
  if (temporary_) std::filesystem::remove(path_, ignored);
}

std::string bytes_text(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", static_cast<double>(bytes) / 1024);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

}  // namespace penstock::cli
