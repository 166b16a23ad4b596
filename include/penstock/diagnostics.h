// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/builder.h>
#include <penstock/engine.h>
#include <penstock/tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace penstock {

// Facts of a plan as JSON: model, device, inputs, outputs, profile, memory at the opt shapes, node
// counts, and each layer with tactic, layouts, precision, ONNX nodes and candidates.
Result<std::string> inspect_plan(const std::filesystem::path& plan_path);
Result<std::string> inspect_plan(const Plan& plan);
// The same of a model after the graph passes; tactics come with a build.
Result<std::string> inspect_model(const std::filesystem::path& onnx_path);
Result<std::string> inspect_model(const OnnxBytes& onnx);

struct RooflineOptions {
  std::string device;  // as EngineOptions::device
  size_t profile = 0;  // whose opt shapes are run, on random inputs
};

// How near each layer of a plan comes to what the device can do, as JSON: what the device reaches,
// measured now (bytes per second of a copy, operations per second of matrix products by type), and
// for each layer its bytes, arithmetic, measured time, the share of the ceiling that binds it, and
// what time it would save at that ceiling.
Result<std::string> roofline(const std::filesystem::path& plan_path,
                             const RooflineOptions& options = {});
Result<std::string> roofline(const Plan& plan, const RooflineOptions& options = {});

// The ONNX operators that models may have, as JSON: the opsets, and for each operator its name, the
// opsets at which a form of it begins, the core operators it becomes, and by backend their fast
// kernels and those among them that have the reference kernel alone. A backend counts where its
// library is installed; its device need not be here. What the application registered is not among
// them.
std::string list_operators();

// How far a value of a tuned plan is from the reference kernels'.
struct LayerError {
  std::string value;
  double error = 0;        // largest absolute difference / largest absolute reference value
  bool comparable = true;  // both have the same number of elements
};

// `reference` is a plan of the same model with the tactic source "reference" alone. Runs both on
// the same inputs and compares every value that both have, in the order of the run.
Result<std::vector<LayerError>> compare_layers(const Engine& tuned, const Engine& reference,
                                               const std::map<std::string, Tensor>& inputs);

// Random elements: floats from -1 to 1, integers 0 or 1 (valid as token, mask and index), bools
// true, strings of one digit.
Tensor random_tensor(DataType dtype, const Shape& shape, uint64_t seed);

// An int32 or int64 tensor of these elements, zeros where there are fewer.
Tensor integer_tensor(DataType dtype, const Shape& shape, const std::vector<int64_t>& values);

}  // namespace penstock
