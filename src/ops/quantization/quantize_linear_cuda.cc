// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear as generated kernels.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/generated_kernel.h"
#include "ops/cuda_tactics.h"
#include "ops/elementwise/generated_cuda.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using ir::Layout;

constexpr size_t kScale = 1;
constexpr size_t kZeroPoint = 2;

struct Limits {
  int low = 0;
  int high = 0;
};

// Of the integers that the device quantizes to; float8 has none.
Result<Limits> limits_of(DataType type) {
  switch (type) {
    case DataType::kInt8: return Limits{-128, 127};
    case DataType::kUInt8: return Limits{0, 255};
    case DataType::kInt16: return Limits{-32768, 32767};
    case DataType::kUInt16: return Limits{0, 65535};
    default: return refuse("does not quantize to " + std::string(to_string(type)) + " here");
  }
}

Status check_float8() {
  if (backends::cuda::compute_capability() >= 89) return Status::ok();
  return refuse("this GPU does not convert float8");
}

// Scales and zero points for each index of an axis, with axes of 1 behind, as they broadcast to x.
Result<NodeFacts> broadcast_scales(NodeFacts node) {
  if (node.attributes.get_int("block_size") > 0) return refuse("scales of blocks");
  const Shape& x = node.inputs[0].shape;
  const auto rank = static_cast<int64_t>(x.size());
  for (size_t i : {kScale, kZeroPoint}) {
    if (!node.has_input(i)) continue;
    Operand& operand = node.inputs[i];
    if (element_count(operand.shape) == 1) {
      operand.shape = {};
      continue;
    }
    int64_t axis = node.attributes.get_int("axis", 1);
    if (axis < 0) axis += rank;
    if (operand.shape.size() != 1 || axis < 0 || axis >= rank || operand.shape[0] != x[axis]) {
      return refuse("scales of shape " + to_string(operand.shape));
    }
    operand.shape.resize(static_cast<size_t>(rank - axis), 1);
  }
  return node;
}

// A quotient as the type of the division has it.
std::string rounded(DataType precision, const std::string& text) {
  return precision == DataType::kFloat16    ? "as_half(" + text + ")"
         : precision == DataType::kBFloat16 ? "as_bfloat(" + text + ")"
                                            : "(" + text + ")";
}

Result<CudaExpression> quantize_expression(const NodeFacts& node) {
  const DataType from = node.inputs[0].dtype;
  const DataType to = node.outputs[0].dtype;
  if (!is_device_float(from) && from != DataType::kInt32) {
    return refuse("does not quantize " + std::string(to_string(from)) + " here");
  }
  const bool has_zero = node.has_input(kZeroPoint);
  const auto precision = static_cast<DataType>(
      node.attributes.get_int("precision", static_cast<int64_t>(node.inputs[kScale].dtype)));
  CudaExpression expression;
  expression.inputs = {0, 1};
  if (has_zero) expression.inputs.push_back(2);
  expression.compute = "float";
  expression.statements =
      "const float q = " +
      rounded(precision, rounded(precision, "T(v0)") + " / " + rounded(precision, "T(v1)")) + ";\n";
  const std::string zero = has_zero ? "T(v2)" : "0.0f";
  if (to == DataType::kFloat8E4M3FN) {
    PENSTOCK_RETURN_IF_ERROR(check_float8());
    if (node.attributes.get_int("saturate", 1) == 0) return refuse("does not saturate");
    expression.result = "q + " + zero;
    return expression;
  }
  PENSTOCK_ASSIGN_OR_RETURN(const Limits limits, limits_of(to));
  expression.result = "quantized(q, " + zero + ", " + std::to_string(limits.low) + ".0f, " +
                      std::to_string(limits.high) + ".0f)";
  return expression;
}

Result<CudaExpression> dequantize_expression(const NodeFacts& node) {
  const DataType from = node.inputs[0].dtype;
  if (!is_device_float(node.outputs[0].dtype)) {
    return refuse("gives no " + std::string(to_string(node.outputs[0].dtype)));
  }
  const bool is_float8 = from == DataType::kFloat8E4M3FN;
  if (is_float8) {
    PENSTOCK_RETURN_IF_ERROR(check_float8());
  } else if (from != DataType::kInt32) {
    PENSTOCK_RETURN_IF_ERROR(limits_of(from).status());
  }
  CudaExpression expression;
  expression.inputs = {0, 1};
  expression.compute = "float";
  std::string difference = "v0";
  if (node.has_input(kZeroPoint)) {
    expression.inputs.push_back(2);
    difference = is_float8 ? "v0 - v2" : "(long long)v0 - (long long)v2";
  }
  expression.result = "T(" + difference + ") * T(v1)";
  return expression;
}

Result<CudaExpression> expression_of(const NodeFacts& node) {
  if (!node.has_input(kScale) || !is_device_float(node.inputs[kScale].dtype)) {
    return refuse("scales of float8");
  }
  return node.op == "QuantizeLinear" ? quantize_expression(node) : dequantize_expression(node);
}

class QuantizeTactic : public backends::Tactic {
 public:
  explicit QuantizeTactic(std::string name) : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }

  Offer offer(const NodeFacts& node) const override {
    if (std::string missing = backends::cuda::why_no_nvrtc(); !missing.empty()) {
      return Offer::refuse(std::move(missing));
    }
    const Result<NodeFacts> facts = broadcast_scales(node);
    if (!facts.is_ok()) return Offer::refuse(facts.status().message());
    const Result<CudaExpression> expression = expression_of(*facts);
    if (!expression.is_ok()) return Offer::refuse(expression.status().message());
    Offer offer = Offer::plain(node);
    if (node.inputs[0].shape.size() == 4) {
      Form last = offer.forms[0];
      last.inputs[0] = last.outputs[0] = Layout::kChannelsLast;
      offer.forms.push_back(std::move(last));
    }
    return offer;
  }

  Result<std::unique_ptr<backends::Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const NodeFacts facts, broadcast_scales(node));
    PENSTOCK_ASSIGN_OR_RETURN(const CudaExpression expression, expression_of(facts));
    PENSTOCK_ASSIGN_OR_RETURN(CudaLaunch launch, bind_elementwise(expression, facts));
    return make_cuda_kernel(name_, std::move(launch));
  }

 private:
  std::string name_;
};

}  // namespace

TacticList quantize_cuda_tactics() {
  static const QuantizeTactic kQuantize("nvrtc.quantize");
  static const QuantizeTactic kDequantize("nvrtc.dequantize");
  return {{"QuantizeLinear", &kQuantize}, {"DequantizeLinear", &kDequantize}};
}

}  // namespace penstock::ops
