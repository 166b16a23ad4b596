// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/quantization/quantization.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

constexpr float kMost = 255.0f;

// x float32 -> y uint8, its scale and its zero point, from the range that x has, 0 included.
Status infer_dynamic_quantize(InferContext& context) {
  if (context.dtype(0) != DataType::kFloat32) {
    return context.error("takes float32, not " + std::string(to_string(context.dtype(0))));
  }
  context.set_output(0, DataType::kUInt8, context.shape(0));
  context.set_output(1, DataType::kFloat32, {});
  context.set_output(2, DataType::kUInt8, {});
  return Status::ok();
}

// NaN, as all zeros give when divided by a range of 0, becomes 0.
float saturate(float x) { return x > 0.0f ? std::min(x, kMost) : 0.0f; }

Status run_dynamic_quantize(const NodeFacts&, KernelRun& run) {
  const TensorView& x = run.input(0);
  const auto* elements = x.as<const float>();
  const int64_t n = x.count();
  float low = 0.0f;
  float high = 0.0f;
  for (int64_t i = 0; i < n; ++i) {
    low = std::min(low, elements[i]);
    high = std::max(high, elements[i]);
  }
  const float scale = (high - low) / kMost;
  const float zero_point = round_even(saturate(-low / scale));
  if (run.has_output(0)) {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
    auto* bytes = y.as<uint8_t>();
    for (int64_t i = 0; i < n; ++i) {
      const float value = saturate(round_even(elements[i] / scale) + zero_point);
      bytes[i] = static_cast<uint8_t>(static_cast<int32_t>(value));
    }
  }
  if (run.has_output(1)) {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(1, {}));
    *y.as<float>() = scale;
  }
  if (run.has_output(2)) {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(2, {}));
    *y.as<uint8_t>() = static_cast<uint8_t>(static_cast<int32_t>(zero_point));
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kDynamicQuantizeLinear = {.name = "DynamicQuantizeLinear",
                                             .min_inputs = 1,
                                             .max_inputs = 1,
                                             .outputs = 3,
                                             .infer = infer_dynamic_quantize,
                                             .reference = run_dynamic_quantize};

}  // namespace penstock::ops
