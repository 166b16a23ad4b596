// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_quantized.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "backends/cpu/sixteen_bits.h"

namespace penstock::ops {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::algorithm;
using dnnl::memory;
using Kind = EpilogueStep::Kind;

namespace {

constexpr int32_t kUnsignedShift = 128;

bool has_vnni() {
  engine();  // caps the instruction set first
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [&](dnnl_cpu_isa_t wanted) {
    return (isa & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
  };
  return has(dnnl_cpu_isa_avx512_core_vnni) || has(dnnl_cpu_isa_avx2_vnni);
}

memory::desc one(memory::data_type type) { return {{1}, type, memory::format_tag::a}; }

memory::desc as_type(const memory::desc& desc, memory::data_type type) {
  return {desc.get_dims(), type, desc.get_strides()};
}

// Factors and offsets wait until something needs their result, so that neighbours become one step.
class StepWriter {
 public:
  explicit StepWriter(dnnl::post_ops& ops) : ops_(ops) {}

  void scale(float factor, float offset = 0.0f) {
    factor_ *= factor;
    offset_ = offset_ * factor + offset;
  }
  void flush() {
    if (factor_ != 1.0f || offset_ != 0.0f) {
      ops_.append_eltwise(algorithm::eltwise_linear, factor_, offset_);
    }
    factor_ = 1.0f;
    offset_ = 0.0f;
  }
  // Relu gives the same before a positive factor and after it.
  void flush_before(const EpilogueStep& step) {
    if (step.kind != Kind::kRelu || offset_ != 0.0f) flush();
  }
  // The factor, where it is all that waits; it waits no longer.
  float take_factor() { return offset_ == 0.0f ? std::exchange(factor_, 1.0f) : 1.0f; }

 private:
  dnnl::post_ops& ops_;
  float factor_ = 1.0f;
  float offset_ = 0.0f;
};

Status add_operand(const NodeFacts& node, const EpilogueStep& step,
                   const DescribeOperand& describe_operand, StepWriter& writer, PostOps& post_ops) {
  const auto input = static_cast<size_t>(step.input);
  const bool is_sum = step.kind == Kind::kAdd;
  if (!node.has_input(input) || (!step.is_dequantized() && !is_post_operand(node, input))) {
    return {StatusCode::kUnsupported,
            "epilogue operand " + std::to_string(step.input) +
                " is neither float32 nor of 16 bits that this processor multiplies"};
  }
  if (step.is_dequantized() && !is_sum && step.b != 0.0f) {
    return {StatusCode::kUnsupported, "multiplies by 8 bits without a zero point only"};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const memory::desc operand, describe_operand(input));
  // v + (q - zero_point) * scale = (v / scale - zero_point + q) * scale.
  if (step.is_dequantized() && is_sum) writer.scale(1.0f / step.a, -step.b);
  writer.flush();
  post_ops.add_binary(is_sum ? algorithm::binary_add : algorithm::binary_mul, input, operand);
  if (step.is_dequantized()) writer.scale(step.a);
  return Status::ok();
}

void add_rounding(const EpilogueStep& step, StepWriter& writer, PostOps& post_ops) {
  writer.scale(1.0f / step.a);
  writer.flush();
  post_ops.ops.append_eltwise(algorithm::eltwise_clip, step.b, step.c);
  post_ops.ops.append_eltwise(algorithm::eltwise_round, 0.0f, 0.0f);
  writer.scale(step.a);
}

void set_result_scale(const QuantizedSteps& steps, dnnl::primitive_attr& attributes) {
  if (!steps.quantizes) return;
  if (steps.y_scale != 1.0f) attributes.set_scales_mask(DNNL_ARG_DST, 0);
  if (steps.y_zero_point != 0) attributes.set_zero_points_mask(DNNL_ARG_DST, 0);
}

void add_result_scale(const QuantizedSteps& steps, PrimitiveKernel& kernel,
                      std::vector<Argument>& arguments) {
  if (!steps.quantizes) return;
  if (steps.y_scale != 1.0f) {
    arguments.push_back(kernel.constant(DNNL_ARG_ATTR_SCALES | DNNL_ARG_DST,
                                        one(memory::data_type::f32), &steps.y_scale));
  }
  if (steps.y_zero_point != 0) {
    arguments.push_back(kernel.constant(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST,
                                        one(memory::data_type::s32), &steps.y_zero_point));
  }
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

// Input `i` less its zero point, of another type, by a primitive of its own.
Argument converted_input(PrimitiveKernel& kernel, int id, size_t i, const memory::desc& given,
                         const memory::desc& wanted, int32_t zero_point) {
  dnnl::primitive_attr attributes = user_scratchpad();
  if (zero_point != 0) attributes.set_zero_points_mask(DNNL_ARG_SRC, 0);
  const dnnl::reorder::primitive_desc reorder(engine(), given, engine(), wanted, attributes);
  const Argument result = kernel.scratch(id, wanted);
  std::vector<Argument> arguments = {input_argument(DNNL_ARG_FROM, given, i), result};
  arguments.back().id = DNNL_ARG_TO;
  if (zero_point != 0) {
    arguments.push_back(kernel.constant(DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC,
                                        one(memory::data_type::s32), &zero_point));
  }
  kernel.add(dnnl::reorder(reorder), std::move(arguments), reorder.scratchpad_desc());
  return result;
}

// float32 sums, stored as the node's output in 8 bits.
void add_quantization(PrimitiveKernel& kernel, const QuantizedProblem& problem, Argument sums) {
  dnnl::primitive_attr attributes = user_scratchpad();
  set_result_scale(problem.steps, attributes);
  const dnnl::reorder::primitive_desc reorder(engine(), sums.desc, engine(), problem.y, attributes);
  sums.id = DNNL_ARG_FROM;
  std::vector<Argument> arguments = {sums, output_argument(DNNL_ARG_TO, problem.y)};
  add_result_scale(problem.steps, kernel, arguments);
  kernel.add(dnnl::reorder(reorder), std::move(arguments), reorder.scratchpad_desc());
}

}  // namespace

Status check_exact_sums(const NodeFacts& node) {
  const Operand& w = node.inputs[1];
  if (has_vnni() || !w.format.empty()) return Status::ok();  // packed: they were looked at
  if (node.inputs[0].dtype == DataType::kUInt8 && w.dtype == DataType::kInt8 && w.data != nullptr) {
    const auto* elements = static_cast<const int8_t*>(w.data);
    const bool has_7_bits = std::all_of(elements, elements + element_count(w.shape),
                                        [](int8_t element) { return std::abs(element) <= 64; });
    if (has_7_bits) return Status::ok();
  }
  return {StatusCode::kUnsupported,
          "without VNNI instructions sums of 8-bit products would saturate"};
}

Status QuantizedSteps::append(const NodeFacts& node, const DescribeOperand& describe_operand) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  const DataType type = node.outputs[0].dtype;
  const bool is_sixteen_bits = type == DataType::kFloat16 || type == DataType::kBFloat16;
  if (is_sixteen_bits && (node.config == kInFloats || !multiplies_sixteen_bits(type))) {
    return {StatusCode::kUnsupported, "gives no " + std::string(to_string(type)) + " here"};
  }
  StepWriter writer(post_ops.ops);
  for (const EpilogueStep& step : epilogue) {
    if (step.is_binary()) {
      PENSTOCK_RETURN_IF_ERROR(add_operand(node, step, describe_operand, writer, post_ops));
    } else if (step.kind == Kind::kRound) {
      add_rounding(step, writer, post_ops);
    } else {
      writer.flush_before(step);
      append_activation(step, post_ops);
    }
  }
  const ProductResult result = product_result(node.attributes);
  quantizes = result.is_quantized();
  if (quantizes) {
    y_scale = result.scale / writer.take_factor();
    y_zero_point = static_cast<int32_t>(result.zero_point);
  }
  writer.flush();
  return Status::ok();
}

dnnl::primitive_attr QuantizedProblem::attributes() const {
  dnnl::primitive_attr attributes = steps.post_ops.attributes();
  if (in_floats) return attributes;
  attributes.set_scales_mask(DNNL_ARG_WEIGHTS, weights_scale_mask);
  if (x_zero_point != 0) attributes.set_zero_points_mask(DNNL_ARG_SRC, 0);
  if (signed_w_zero_point() != 0) attributes.set_zero_points_mask(DNNL_ARG_WEIGHTS, 0);
  set_result_scale(steps, attributes);
  return attributes;
}

int32_t QuantizedProblem::signed_w_zero_point() const {
  return w_is_unsigned ? w_zero_point - kUnsignedShift : w_zero_point;
}

memory::desc QuantizedProblem::any_weights() const {
  return {given_weights.get_dims(), in_floats ? memory::data_type::f32 : memory::data_type::s8,
          memory::format_tag::any};
}

std::vector<float> scaled_weights(const NodeFacts& node,
                                  const std::function<int64_t(int64_t element)>& channel_of) {
  const Operand& w = node.inputs[1];
  const Operand& scale = node.inputs[kProductScale];
  const auto* scales = static_cast<const float*>(scale.data);
  const bool is_one = element_count(scale.shape) == 1;
  const auto zero_point = static_cast<float>(node.attributes.get_int("w_zero_point"));
  std::vector<float> result(static_cast<size_t>(element_count(w.shape)));
  for (size_t i = 0; i < result.size(); ++i) {
    const auto element = w.dtype == DataType::kInt8
                             ? static_cast<float>(static_cast<const int8_t*>(w.data)[i])
                             : static_cast<float>(static_cast<const uint8_t*>(w.data)[i]);
    const int64_t channel = is_one ? 0 : channel_of(static_cast<int64_t>(i));
    result[i] = (element - zero_point) * scales[channel];
  }
  return result;
}

std::unique_ptr<Kernel> quantized_kernel(const NodeFacts& node, const QuantizedProblem& problem,
                                         const dnnl::primitive_desc_base& desc,
                                         const dnnl::primitive& primitive,
                                         const memory::desc& given_weights) {
  const auto lies = [&](int id) { return desc.query_md(dnnl::query::exec_arg_md, id); };
  auto kernel = std::make_unique<PrimitiveKernel>();
  kernel->set_output_shape(node.outputs[0].shape);
  std::vector<Argument> arguments = problem.steps.post_ops.arguments;

  arguments.push_back(problem.in_floats ? converted_input(*kernel, DNNL_ARG_SRC, 0, problem.x,
                                                          lies(DNNL_ARG_SRC), problem.x_zero_point)
                                        : input_argument(DNNL_ARG_SRC, lies(DNNL_ARG_SRC), 0));
  if (!problem.folded_weights.empty()) {
    arguments.push_back(kernel->input_as(DNNL_ARG_WEIGHTS, 1, problem.folded_weights.data(),
                                         as_type(given_weights, memory::data_type::f32),
                                         lies(DNNL_ARG_WEIGHTS)));
    // Where they lie as the model has them, the argument would be the model's 8 bits.
    if (arguments.back().source == Argument::Source::kInput) {
      arguments.back() =
          kernel->constant(DNNL_ARG_WEIGHTS, lies(DNNL_ARG_WEIGHTS), problem.folded_weights.data());
    }
  } else if (problem.in_floats || problem.w_is_unsigned) {
    arguments.push_back(converted_input(*kernel, DNNL_ARG_WEIGHTS, 1, given_weights,
                                        lies(DNNL_ARG_WEIGHTS),
                                        problem.in_floats ? problem.w_zero_point : kUnsignedShift));
  } else {
    arguments.push_back(kernel->input_as(DNNL_ARG_WEIGHTS, 1, node.inputs[1].data, given_weights,
                                         lies(DNNL_ARG_WEIGHTS)));
  }
  if (const memory::desc bias = lies(DNNL_ARG_BIAS); !bias.is_zero()) {
    arguments.push_back(input_argument(DNNL_ARG_BIAS, bias, kProductBias));
  }
  if (!problem.in_floats) {
    const int64_t scales = element_count(node.inputs[kProductScale].shape);
    arguments.push_back(input_argument(DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS,
                                       {{scales}, memory::data_type::f32, memory::format_tag::a},
                                       kProductScale));
    const int32_t w_zero_point = problem.signed_w_zero_point();
    for (const auto& [id, zero_point] : {std::pair{DNNL_ARG_SRC, problem.x_zero_point},
                                         std::pair{DNNL_ARG_WEIGHTS, w_zero_point}}) {
      if (zero_point == 0) continue;
      arguments.push_back(kernel->constant(DNNL_ARG_ATTR_ZERO_POINTS | id,
                                           one(memory::data_type::s32), &zero_point));
    }
    add_result_scale(problem.steps, *kernel, arguments);
  }
  const bool is_intermediate = problem.in_floats && problem.steps.quantizes;
  arguments.push_back(is_intermediate ? kernel->scratch(DNNL_ARG_DST, lies(DNNL_ARG_DST))
                                      : output_argument(DNNL_ARG_DST, lies(DNNL_ARG_DST)));
  const Argument sums = arguments.back();
  kernel->add(primitive, std::move(arguments), desc.query_md(dnnl::query::scratchpad_md));
  if (is_intermediate) add_quantization(*kernel, problem, sums);
  return kernel;
}

}  // namespace penstock::ops
