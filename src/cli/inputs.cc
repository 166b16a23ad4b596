// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/inputs.h"

#include <algorithm>
#include <random>

#include "base/half.h"
#include "base/names.h"
#include "base/small_types.h"
#include "cli/npy.h"

namespace penstock::cli {
namespace {

template <typename T, typename Draw>
void fill(Tensor& tensor, Draw&& draw) {
  for (T& element : tensor.as<T>()) element = static_cast<T>(draw());
}

Result<Shape> shape_for(const Engine& engine, const TensorInfo& info,
                        const std::map<std::string, Shape>& shapes) {
  if (const auto it = shapes.find(info.name); it != shapes.end()) return it->second;
  const auto range = engine.profile().inputs.find(info.name);
  return range == engine.profile().inputs.end() ? info.shape : range->second.opt;
}

}  // namespace

Tensor random_tensor(DataType dtype, const Shape& shape, uint64_t seed) {
  Tensor tensor(dtype, shape);
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<float> real(-1.0f, 1.0f);
  const auto draw_real = [&] { return real(generator); };
  const auto draw_bit = [&] { return generator() & 1U; };
  switch (dtype) {
    case DataType::kFloat32: fill<float>(tensor, draw_real); break;
    case DataType::kFloat64: fill<double>(tensor, draw_real); break;
    case DataType::kFloat16: fill<Half>(tensor, draw_real); break;
    case DataType::kBFloat16: fill<BFloat16>(tensor, draw_real); break;
    case DataType::kInt64:
    case DataType::kUInt64: fill<int64_t>(tensor, draw_bit); break;
    case DataType::kInt32:
    case DataType::kUInt32: fill<int32_t>(tensor, draw_bit); break;
    case DataType::kInt16:
    case DataType::kUInt16: fill<int16_t>(tensor, draw_bit); break;
    case DataType::kBool: fill<uint8_t>(tensor, [] { return 1; }); break;
    default:
      if (is_small_float(dtype)) {
        fill<uint8_t>(tensor, [&] { return small_from_double(dtype, draw_real()); });
      } else {
        fill<uint8_t>(tensor, draw_bit);
      }
      break;
  }
  return tensor;
}

Result<std::map<std::string, Tensor>> make_inputs(const Engine& engine,
                                                  const std::vector<std::string>& assignments,
                                                  const std::map<std::string, Shape>& shapes,
                                                  uint64_t seed) {
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
      return Status(StatusCode::kInvalidArgument,
                    "'" + assignment + "' is not NAME=FILE.npy or NAME=random");
    }
    PENSTOCK_RETURN_IF_ERROR(check(assignment.substr(0, equals)));
    sources[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }
  for (const auto& [name, shape] : shapes) PENSTOCK_RETURN_IF_ERROR(check(name));
  std::map<std::string, Tensor> inputs;
  for (const TensorInfo& info : engine.inputs()) {
    const auto source = sources.find(info.name);
    if (source != sources.end() && source->second != "random") {
      PENSTOCK_ASSIGN_OR_RETURN(inputs[info.name], read_npy(source->second, info.dtype));
      continue;
    }
    PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, shape_for(engine, info, shapes));
    inputs[info.name] = random_tensor(info.dtype, shape, seed++);
  }
  return inputs;
}

}  // namespace penstock::cli
