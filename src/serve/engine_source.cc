// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/engine_source.h"

#include <fmt/format.h>
#include <penstock/device.h>
#include <penstock/diagnostics.h>
#include <xxhash.h>

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "serve/log.h"
#include "serve/model_config.h"

namespace penstock::serve {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Result<std::vector<TensorInfo>> tensors_of(const json& array) {
  std::vector<TensorInfo> tensors;
  for (const json& item : array) {
    TensorInfo info;
    info.name = item.value("name", "");
    // Sequences and optionals are refused later, with the engine at hand.
    info.dtype = parse_data_type(item.value("type", "")).value_or(DataType::kUndefined);
    for (const json& extent : item.value("shape", json::array())) {
      const std::string text = extent.is_string() ? extent.get<std::string>() : extent.dump();
      info.dims.push_back(text);
      const bool is_number = !text.empty() && std::all_of(text.begin(), text.end(), ::isdigit);
      info.shape.push_back(is_number ? std::stoll(text) : -1);
    }
    tensors.push_back(std::move(info));
  }
  return tensors;
}

std::string parameter(const inference::ModelConfig& config, const std::string& name) {
  const auto found = config.parameters().find(name);
  return found == config.parameters().end() ? "" : found->second.string_value();
}

Status set_precision(const inference::ModelConfig& config, BuildOptions& options) {
  const std::string precision = parameter(config, "precision");
  if (precision.empty() || precision == "fp32") return Status::ok();
  if (precision == "fp16") {
    options.precision = DataType::kFloat16;
  } else if (precision == "bf16") {
    options.precision = DataType::kBFloat16;
  } else if (precision == "tf32") {
    options.tf32 = true;
  } else {
    return {
        StatusCode::kInvalidArgument,
        fmt::format("the parameter precision is '{}'; give fp32, tf32, fp16 or bf16", precision)};
  }
  return Status::ok();
}

// A profile of every batch from `least` to `most`, tuned at the largest.
OptimizationProfile batch_profile(const inference::ModelConfig& config, const ModelTensors& tensors,
                                  int64_t least, int64_t most) {
  constexpr int64_t kOptOther = 128;
  constexpr int64_t kNoLimit = -1;
  OptimizationProfile profile;
  for (const TensorInfo& input : tensors.inputs) {
    ShapeRange range{{least}, {most}, {most}};
    const auto found = std::find_if(config.input().begin(), config.input().end(),
                                    [&](const auto& i) { return i.name() == input.name; });
    for (size_t i = 1; i < input.shape.size(); ++i) {
      const int64_t configured =
          found != config.input().end() && static_cast<int>(i) <= found->dims_size()
              ? found->dims(static_cast<int>(i) - 1)
              : -1;
      const int64_t extent = input.shape[i] >= 0 ? input.shape[i] : configured;
      range.min.push_back(extent >= 0 ? extent : 0);
      range.opt.push_back(extent >= 0 ? extent : kOptOther);
      range.max.push_back(extent >= 0 ? extent : kNoLimit);
    }
    profile.inputs[input.name] = std::move(range);
  }
  return profile;
}

std::string describe(const OptimizationProfile& profile) {
  std::string text;
  for (const auto& [name, range] : profile.inputs) {
    text += fmt::format("{}:{}{}{};", name, to_string(range.min), to_string(range.opt),
                        to_string(range.max));
  }
  return text;
}

uint64_t hash(std::string_view text, uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// Changes with everything that a plan depends on.
Result<std::string> cache_key(const fs::path& onnx, const BuildOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto file, MappedFile::open(onnx));
  uint64_t key = XXH3_64bits(file->data().data(), file->size());
  // Weights beside the model are too large to read: their size and time stand for them.
  std::error_code ignored;
  std::vector<std::string> others;
  for (const auto& entry : fs::directory_iterator(onnx.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (name == onnx.filename() || name.find(".plan") != std::string::npos) continue;
    if (name.find("penstock.timing") != std::string::npos) continue;
    if (!entry.is_regular_file(ignored)) continue;
    others.push_back(fmt::format("{} {} {}", name, entry.file_size(ignored),
                                 entry.last_write_time(ignored).time_since_epoch().count()));
  }
  std::sort(others.begin(), others.end());
  for (const std::string& other : others) key = hash(other, key);
  PENSTOCK_ASSIGN_OR_RETURN(const Device device, Device::open(options.device));
  PENSTOCK_ASSIGN_OR_RETURN(const DeviceInfo info, device.info());
  key = hash(fmt::format("{} {} {} {} {} {} {} {}", PENSTOCK_VERSION, info.name,
                         info.instruction_set, static_cast<int>(options.precision), options.tf32,
                         options.threads, options.optimization_level, info.device),
             key);
  for (const OptimizationProfile& profile : options.profiles) key = hash(describe(profile), key);
  return fmt::format("{:016x}", key);
}

fs::path plan_path(const ModelSource& source, const std::string& key, const fs::path& cache) {
  const std::string file = source.file.filename().string();
  if (cache.empty()) return source.file.parent_path() / fmt::format("{}.{}.plan", file, key);
  return cache / source.name / source.version / fmt::format("{}.{}.plan", file, key);
}

Result<Engine> compile(const ModelSource& source, const fs::path& plan, BuildOptions build,
                       const ServerOptions& server) {
  static std::mutex one_at_a_time;
  std::lock_guard lock(one_at_a_time);
  log_info("compiling", {{"model", source.name}, {"version", source.version}});
  std::error_code ignored;
  fs::create_directories(plan.parent_path(), ignored);
  build.timing_cache =
      server.timing_cache.empty() ? plan.parent_path() / "penstock.timing" : server.timing_cache;
  EngineOptions options;
  options.device = build.device;
  Result<BuildSummary> summary = build_plan(source.file, plan, build);
  if (summary.is_ok()) {
    for (const std::string& warning : summary->warnings) {
      log_warning(warning, {{"model", source.name}, {"version", source.version}});
    }
    log_info("compiled", {{"model", source.name},
                          {"version", source.version},
                          {"device", summary->device},
                          {"seconds", fmt::format("{:.1f}", summary->seconds)}});
    return Engine::load(plan, options);
  }
  if (summary.status().code() != StatusCode::kIoError) return summary.status();
  // A repository that cannot be written is a usual one: the plan then lives as long as the model.
  log_warning("the plan is not kept: give --plan-cache a folder that can be written",
              {{"model", source.name}, {"reason", summary.status().message()}});
  build.timing_cache = server.timing_cache;
  PENSTOCK_ASSIGN_OR_RETURN(BuiltPlan built, build_plan_in_memory(source.file, build));
  return Engine::deserialize(std::move(built.plan), options);
}

}  // namespace

Result<fs::path> find_model_file(const inference::ModelConfig& config,
                                 const fs::path& version_folder) {
  std::vector<std::string> names = {"model.plan", "model.onnx"};
  if (!config.default_model_filename().empty()) names = {config.default_model_filename()};
  for (const std::string& name : names) {
    if (name.find('/') != std::string::npos || name == "..") {
      return Status(StatusCode::kInvalidArgument,
                    "default_model_filename is '" + name + "'; give the name of a file");
    }
    std::error_code ignored;
    fs::path file = version_folder / name;
    if (fs::is_directory(file, ignored)) file /= name;
    if (fs::is_regular_file(file, ignored)) return file;
  }
  return Status(StatusCode::kNotFound,
                fmt::format("the folder of version {} has no file {}",
                            version_folder.filename().string(), fmt::join(names, " or ")));
}

Result<ModelTensors> read_tensors(const fs::path& onnx) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string text, inspect_model(onnx));
  const json facts = json::parse(text, nullptr, false);
  ModelTensors tensors;
  PENSTOCK_ASSIGN_OR_RETURN(tensors.inputs, tensors_of(facts.value("inputs", json::array())));
  PENSTOCK_ASSIGN_OR_RETURN(tensors.outputs, tensors_of(facts.value("outputs", json::array())));
  return tensors;
}

Result<BuildOptions> build_options(const inference::ModelConfig& config,
                                   const ModelTensors& tensors, const ServerOptions& server,
                                   const std::string& device, int threads) {
  BuildOptions options;
  options.device = device;
  options.threads = threads;
  options.optimization_level = server.optimization_level;
  options.cancelled = server.is_ending;
  PENSTOCK_RETURN_IF_ERROR(set_precision(config, options));
  if (config.max_batch_size() > 0) {
    options.profiles.push_back(batch_profile(config, tensors, 1, 1));
    if (config.max_batch_size() > 1) {
      options.profiles.push_back(batch_profile(config, tensors, 1, config.max_batch_size()));
    }
  }
  return options;
}

Result<Engine> make_engine(const ModelSource& source, const BuildOptions& build,
                           const ServerOptions& server) {
  EngineOptions options;
  options.device = build.device;
  if (source.file.extension() == ".plan") return Engine::load(source.file, options);
  PENSTOCK_ASSIGN_OR_RETURN(const std::string key, cache_key(source.file, build));
  const fs::path plan = plan_path(source, key, server.plan_cache);
  std::error_code ignored;
  if (fs::exists(plan, ignored)) {
    Result<Engine> cached = Engine::load(plan, options);
    if (cached.is_ok()) return cached;
    log_warning("a plan of the cache is made anew", {{"model", source.name},
                                                     {"version", source.version},
                                                     {"reason", cached.status().message()}});
  }
  return compile(source, plan, build, server);
}

}  // namespace penstock::serve
