// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/shapes.h"

namespace penstock::cli {

void BuildFlags::add_to(CLI::App& command) {
  const std::string shapes = "NAME:1x3x224x224[,NAME:...]";
  command.add_option("--min-shapes,--minShapes", min_shapes, "Smallest input shapes: " + shapes);
  command.add_option("--opt-shapes,--optShapes", opt_shapes,
                     "Input shapes to tune for (default: batch 1, other varying axes 128)");
  command.add_option("--max-shapes,--maxShapes", max_shapes,
                     "Largest input shapes (default: no limit)");
  command.add_option("--device", device, "cpu or auto")->capture_default_str();
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
  options.threads = threads;
  options.optimization_level = level;
  options.timing_cache = timing_cache;
  options.tactic_sources = tactic_sources;
  options.workspace_bytes = static_cast<uint64_t>(workspace_mib * 1024 * 1024);
  PENSTOCK_ASSIGN_OR_RETURN(const auto min, parse_shapes(min_shapes));
  PENSTOCK_ASSIGN_OR_RETURN(const auto opt, parse_shapes(opt_shapes));
  PENSTOCK_ASSIGN_OR_RETURN(const auto max, parse_shapes(max_shapes));
  for (const auto& [name, shape] : min) options.profile.inputs[name].min = shape;
  for (const auto& [name, shape] : opt) options.profile.inputs[name].opt = shape;
  for (const auto& [name, shape] : max) options.profile.inputs[name].max = shape;
  return options;
}

int report(const Status& status) {
  fmt::print(stderr, "error: {}\n", status.message());
  return 1;
}

Result<BuildSummary> build_with_progress(const std::string& onnx, const std::string& plan,
                                         BuildOptions options, bool quiet) {
  catch_interrupts();
  Progress progress("build " + std::filesystem::path(onnx).filename().string(), quiet);
  options.progress = [&](std::string_view what, double fraction) {
    progress.update(what, fraction);
  };
  options.cancelled = interrupted;
  Result<BuildSummary> summary = build_plan(onnx, plan, options);
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
  PENSTOCK_ASSIGN_OR_RETURN(const BuildSummary summary,
                            build_with_progress(model, path.string(), options, false));
  fmt::print(stderr, "built {} in {:.1f} s: {} ONNX nodes, {} kernels\n", model, summary.seconds,
             summary.onnx_nodes, summary.kernels);
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
