// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_weights.h"

#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/sixteen_bits.h"

namespace penstock::ops {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::memory;

Result<memory::data_type> product_type(const NodeFacts& node) {
  const DataType type = node.inputs[0].dtype;
  if (type != DataType::kFloat32 && !multiplies_sixteen_bits(type)) {
    return Status(StatusCode::kUnsupported,
                  "computes in float32, not " + std::string(to_string(type)));
  }
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const Operand& operand = node.inputs[i];
    const bool may_be_float32 = i > 1 && operand.dtype == DataType::kFloat32;
    if (!operand.present || operand.dtype == type || may_be_float32) continue;
    return Status(StatusCode::kUnsupported,
                  "computes in float32, not " + std::string(to_string(operand.dtype)));
  }
  if (node.outputs[0].dtype != type && node.outputs[0].dtype != DataType::kFloat32) {
    return Status(StatusCode::kUnsupported, "gives float32 or the type of its factors");
  }
  return data_type_of(type);
}

memory::desc bias_desc(const Operand& bias, const Shape& shape) {
  const Result<memory::data_type> type = data_type_of(bias.dtype);
  return plain_desc(shape, type.is_ok() ? *type : memory::data_type::f32);
}

std::vector<PackedConstant> pack_weights(const NodeFacts& node, const memory::desc& given,
                                         const memory::desc& wanted) {
  std::vector<PackedConstant> packed;
  std::string format = format_name(wanted);
  if (wanted != given && !format.empty()) {
    packed.push_back({1, reorder_constant(node.inputs[1].data, given, wanted), std::move(format)});
  }
  return packed;
}

Result<memory::desc> weights_as_given(const NodeFacts& node, const memory::desc& plain) {
  if (node.inputs[1].format.empty()) return plain;
  return describe_format(node.inputs[1].dtype, plain.get_dims(), node.inputs[1].format);
}

std::unique_ptr<Kernel> weighted_kernel(const NodeFacts& node,
                                        const dnnl::primitive_desc_base& desc,
                                        const dnnl::primitive& primitive,
                                        const memory::desc& given_weights,
                                        std::vector<Argument> arguments) {
  const auto lies = [&](int id) { return desc.query_md(dnnl::query::exec_arg_md, id); };
  auto kernel = std::make_unique<PrimitiveKernel>();
  kernel->set_output_shape(node.outputs[0].shape);
  arguments.push_back(input_argument(DNNL_ARG_SRC, lies(DNNL_ARG_SRC), 0));
  arguments.push_back(output_argument(DNNL_ARG_DST, lies(DNNL_ARG_DST)));
  if (const memory::desc bias = lies(DNNL_ARG_BIAS); !bias.is_zero()) {
    arguments.push_back(input_argument(DNNL_ARG_BIAS, bias, 2));
  }
  arguments.push_back(kernel->input_as(DNNL_ARG_WEIGHTS, 1, node.inputs[1].data, given_weights,
                                       lies(DNNL_ARG_WEIGHTS)));
  kernel->add(primitive, std::move(arguments), desc.query_md(dnnl::query::scratchpad_md));
  return kernel;
}

}  // namespace penstock::ops
