// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/input_contract.h>
#include <penstock/plan.h>
#include <penstock/profile.h>
#include <penstock/status.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

struct CalibrationTable;  // <penstock/calibration.h>

// The precision that the layers of these names compute in: float32, or int8 as calibrated.
struct LayerPrecision {
  // As in a shell: "layer4*"; or by operator: "op:Conv". Names are those of the ONNX nodes.
  std::string layers;
  DataType precision = DataType::kFloat32;
};

// What a build may choose. The defaults are right for most.
struct BuildOptions {
  // "cuda:N", or "auto": what the environment's PENSTOCK_DEVICE names, else a GPU where there is
  // one.
  std::string device = "cpu";
  // What the device may compute in: float32, or float16 and bfloat16, which keep inputs and outputs
  // in float32 and what is sensitive to range too.
  DataType precision = DataType::kFloat32;
  // On a GPU, products of float32 may round their factors to TF32, which keeps 10 bits of mantissa.
  bool tf32 = false;
  // Convolutions and products with constant weights compute in 8 bits, all else in `precision`:
  // where the model has QuantizeLinear as it says there, else by `calibration`.
  bool int8 = false;
  std::shared_ptr<const CalibrationTable> calibration;
  // With int8; the last that names a layer counts. Without it, one that asks for int8 is an error.
  std::vector<LayerPrecision> layer_precisions;
  // With int8: values and weights are rounded to their 8 bits and computed with in float32, which
  // shows the error of each layer and gains no speed.
  bool simulate_int8 = false;
  // What the inputs of these names are expected to hold, for the plan to record; of other inputs it
  // records what the calibration saw.
  std::map<std::string, InputContract> input_contracts;
  int threads = 0;  // stream width to tune for; 0: all processors
  // Contexts that will run side by side, each on its stream: kernels are then timed while as many
  // copies of them run at the same time, and what does most runs in a second is chosen, rather than
  // what does one run in the shortest time.
  int concurrent_contexts = 1;
  int optimization_level =
      3;  // 0 takes the first tactic unmeasured; 5 measures every one, reference too
  // The shapes to tune for, and their limits: one profile, or several, of which each is tuned by
  // itself and all share the weights. Give one of the two.
  OptimizationProfile profile;
  std::vector<OptimizationProfile> profiles;
  std::filesystem::path timing_cache;  // read and extended; empty: none is kept
  // Tactic sources to use, by name ("simd", "onednn"); empty: all. Reference kernels always remain.
  std::vector<std::string> tactic_sources;
  uint64_t workspace_bytes = 0;  // most scratch memory one kernel may use; 0: no limit
  // Sets Device::set_memory_limit() of the device first; 0 leaves it as it is. A tactic that does
  // not fit is not taken.
  uint64_t memory_limit_bytes = 0;
  // False: each operator is a kernel of its own, and every value of the model can be observed.
  bool fuse = true;
  std::string stop_after;      // end after this phase or pass, writing no plan
  std::filesystem::path dump;  // with stop_after: where the graph's text goes; empty: none
  // Called with what happens and how far it is, 0 to 1; from the building thread.
  std::function<void(std::string_view what, double fraction)> progress;
  // Called with a line of text for each phase, each pass that changed the graph, and each node's
  // choice of tactics; from the building thread.
  std::function<void(const std::string& line)> log;
  // Asked now and then: true ends the build with an error, its measurements kept in the timing
  // cache.
  std::function<bool()> cancelled;
};

// What came of a build.
struct BuildSummary {
  std::string device;  // that it was built for: "cpu", "cuda:0"
  // A sentence each, of what users would not expect: a precision that the device does not compute
  // in, nodes that run on the CPU in a plan for a GPU.
  std::vector<std::string> warnings;
  int onnx_nodes = 0;  // nodes of the model, constants not counted
  int kernels = 0;     // kernel calls of the plan, under its first profile
  int profiles = 1;
  uint64_t plan_bytes = 0;
  uint64_t weight_bytes = 0;
  int tactics_measured = 0;
  int tactics_cached = 0;  // found in the timing cache
  double seconds = 0;
};

// Compiles an ONNX model for this machine and writes the plan. On any error no file is left behind.
Result<BuildSummary> build_plan(const std::filesystem::path& onnx_path,
                                const std::filesystem::path& plan_path,
                                const BuildOptions& options = {});

// An ONNX model in memory, needed during the call only.
struct OnnxBytes {
  std::span<const std::byte> bytes;
  std::filesystem::path folder;  // where its external data lies
  std::string name;              // for a graph that has none
};

struct BuiltPlan {
  Plan plan;
  BuildSummary summary;
};

// The same without writing a file: for Engine::deserialize(), or Plan::save().
Result<BuiltPlan> build_plan_in_memory(const std::filesystem::path& onnx_path,
                                       const BuildOptions& options = {});
Result<BuiltPlan> build_plan_in_memory(const OnnxBytes& onnx, const BuildOptions& options = {});

}  // namespace penstock
