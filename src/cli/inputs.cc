// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/inputs.h"

#include <penstock/diagnostics.h>

#include <algorithm>

#include "base/names.h"
#include "cli/values.h"

namespace penstock::cli {
namespace {

Shape shape_for(const OptimizationProfile& profile, const TensorInfo& info,
                const std::map<std::string, Shape>& shapes) {
  if (const auto it = shapes.find(info.name); it != shapes.end()) return it->second;
  const auto range = profile.inputs.find(info.name);
  return range == profile.inputs.end() ? info.shape : range->second.opt;
}

// What a shape input holds: as trtexec has it, what is given as its shape.
Tensor shape_values(const OptimizationProfile& profile, const TensorInfo& info,
                    const std::map<std::string, Shape>& shapes) {
  const auto given = shapes.find(info.name);
  return integer_tensor(info.dtype, info.shape,
                        given == shapes.end() ? profile.values.at(info.name).opt : given->second);
}

// Random elements, of -1 to 1, into the range that the plan expects.
Tensor in_range(const InputContract& contract, Tensor tensor) {
  if (tensor.dtype() != DataType::kFloat32) return tensor;
  const double middle = (contract.min + contract.max) / 2;
  const double half = (contract.max - contract.min) / 2;
  for (float& x : tensor.as<float>()) {
    x = static_cast<float>(std::clamp(middle + half * x, contract.min, contract.max));
  }
  return tensor;
}

// A sequence gets two tensors; extents and ranks that the model leaves open are 4 and 1.
Value random_value(const TensorInfo& info, const Shape& shape, uint64_t seed) {
  if (info.kind == ValueKind::kTensor) return random_tensor(info.dtype, shape, seed);
  Shape element = info.has_rank ? info.shape : Shape{-1};
  std::replace(element.begin(), element.end(), int64_t{-1}, int64_t{4});
  Tensor first = random_tensor(info.dtype, element, seed);
  if (info.kind == ValueKind::kOptionalTensor) return first;
  return Value::sequence({std::move(first), random_tensor(info.dtype, element, seed + 1)});
}

}  // namespace

Result<std::map<std::string, Tensor>> make_inputs(const Engine& engine,
                                                  const std::vector<std::string>& assignments,
                                                  const std::map<std::string, Shape>& shapes,
                                                  uint64_t seed, int profile) {
  for (const TensorInfo& info : engine.inputs()) {
    if (info.kind == ValueKind::kTensor) continue;
    return Status(StatusCode::kUnsupported, "input '" + info.name + "' is no tensor but " +
                                                std::string(to_string(info.kind)) +
                                                ": only 'penstock run' takes those");
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto values,
                            make_values(engine, assignments, shapes, seed, profile));
  std::map<std::string, Tensor> inputs;
  for (const auto& [name, value] : values) inputs.emplace(name, value.tensor());
  return inputs;
}

Result<std::map<std::string, Value>> make_values(const Engine& engine,
                                                 const std::vector<std::string>& assignments,
                                                 const std::map<std::string, Shape>& shapes,
                                                 uint64_t seed, int profile) {
  const size_t index = profile == kAutomaticProfile ? 0 : static_cast<size_t>(profile);
  if (index >= engine.profiles().size()) {
    return Status(StatusCode::kInvalidArgument,
                  "no profile " + std::to_string(profile) + "; the plan has " +
                      std::to_string(engine.profiles().size()) + ", numbered from 0");
  }
  std::vector<std::string> known;
  for (const TensorInfo& info : engine.inputs()) known.push_back(info.name);
  const auto check = [&](const std::string& name) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return Status::ok();
    return Status(StatusCode::kInvalidArgument,
                  "no input is named '" + name + "'; " + suggest(name, known));
  };
  std::map<std::string, std::string> sources;
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos) {
      return Status(
          StatusCode::kInvalidArgument,
          "'" + assignment + "' is not NAME=FILE.npy, NAME=FOLDER, NAME=none or NAME=random");
    }
    PENSTOCK_RETURN_IF_ERROR(check(assignment.substr(0, equals)));
    sources[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }
  for (const auto& [name, shape] : shapes) PENSTOCK_RETURN_IF_ERROR(check(name));
  const std::map<std::string, InputContract> contracts = engine.input_contracts();
  std::map<std::string, Value> inputs;
  for (const TensorInfo& info : engine.inputs()) {
    const auto source = sources.find(info.name);
    if (source != sources.end() && source->second != "random") {
      const bool is_none = source->second == "none" && info.kind != ValueKind::kTensor;
      if (is_none) {
        inputs[info.name] = Value();
        continue;
      }
      PENSTOCK_ASSIGN_OR_RETURN(inputs[info.name], read_value(source->second, info.dtype));
      continue;
    }
    const OptimizationProfile& limits = engine.profiles()[index];
    if (limits.values.count(info.name) != 0) {
      inputs[info.name] = shape_values(limits, info, shapes);
      continue;
    }
    inputs[info.name] = random_value(info, shape_for(limits, info, shapes), seed++);
    const auto contract = contracts.find(info.name);
    if (contract == contracts.end() || info.kind != ValueKind::kTensor) continue;
    inputs[info.name] = in_range(contract->second, inputs[info.name].tensor());
  }
  return inputs;
}

}  // namespace penstock::cli
