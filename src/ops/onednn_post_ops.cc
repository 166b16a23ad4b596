// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_post_ops.h"

#include "backends/cpu/sixteen_bits.h"

namespace penstock::ops {
namespace {

using dnnl::algorithm;
using Kind = EpilogueStep::Kind;

struct Eltwise {
  algorithm kind;
  float alpha;
  float beta;
};

Eltwise eltwise_of(const EpilogueStep& step) {
  switch (step.kind) {
    case Kind::kAdd:
    case Kind::kMul: break;
    case Kind::kRelu: return {algorithm::eltwise_relu, 0.0f, 0.0f};
    case Kind::kLeakyRelu: return {algorithm::eltwise_relu, step.a, 0.0f};
    case Kind::kClip: return {algorithm::eltwise_clip, step.a, step.b};
    case Kind::kSigmoid: return {algorithm::eltwise_logistic, 0.0f, 0.0f};
    case Kind::kTanh: return {algorithm::eltwise_tanh, 0.0f, 0.0f};
    case Kind::kGelu: return {algorithm::eltwise_gelu_erf, 0.0f, 0.0f};
    case Kind::kGeluTanh: return {algorithm::eltwise_gelu_tanh, 0.0f, 0.0f};
    case Kind::kSilu: return {algorithm::eltwise_swish, 1.0f, 0.0f};
    case Kind::kHardSwish: return {algorithm::eltwise_hardswish, 1.0f / 6.0f, 0.5f};
    case Kind::kHardSigmoid: return {algorithm::eltwise_hardsigmoid, step.a, step.b};
    case Kind::kElu: return {algorithm::eltwise_elu, step.a, 0.0f};
    case Kind::kRound: break;
  }
  return {algorithm::undef, 0.0f, 0.0f};
}

}  // namespace

void PostOps::add_binary(algorithm kind, size_t input, const dnnl::memory::desc& operand) {
  const int id = DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1;
  ops.append_binary(kind, operand);
  arguments.push_back(backends::onednn::input_argument(id, operand, input));
}

dnnl::primitive_attr PostOps::attributes() const {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attributes.set_post_ops(ops);
  return attributes;
}

void append_activation(const EpilogueStep& step, PostOps& post_ops) {
  const Eltwise eltwise = eltwise_of(step);
  post_ops.ops.append_eltwise(eltwise.kind, eltwise.alpha, eltwise.beta);
}

bool is_post_operand(const backends::NodeFacts& node, size_t i) {
  if (!node.has_input(i)) return false;
  const DataType type = node.inputs[i].dtype;
  return type == DataType::kFloat32 || backends::multiplies_sixteen_bits(type);
}

Status append_epilogue(const backends::NodeFacts& node, const DescribeOperand& describe_operand,
                       PostOps& post_ops) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  for (const EpilogueStep& step : epilogue) {
    if (!step.is_binary()) {
      append_activation(step, post_ops);
      continue;
    }
    const auto input = static_cast<size_t>(step.input);
    if (!is_post_operand(node, input)) {
      return {StatusCode::kUnsupported,
              "epilogue operand " + std::to_string(step.input) +
                  " is neither float32 nor of 16 bits that this processor multiplies"};
    }
    PENSTOCK_ASSIGN_OR_RETURN(const dnnl::memory::desc operand, describe_operand(input));
    post_ops.add_binary(step.kind == Kind::kAdd ? algorithm::binary_add : algorithm::binary_mul,
                        input, operand);
  }
  return Status::ok();
}

Shape with_leading_ones(const Shape& shape, size_t rank) {
  Shape result(rank - std::min(rank, shape.size()), 1);
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

}  // namespace penstock::ops
