// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/convolution/conv_transpose.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_tactics.h"

namespace penstock::ops {
namespace {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::memory;
using ir::Layout;
using Primitive = dnnl::deconvolution_forward::primitive_desc;

// ONNX's weights are [C, M / group, kernel...]; oneDNN's [group, M / group, C / group, kernel...].
struct Weights {
  Shape shape;
  memory::desc given;  // ONNX's order, seen as oneDNN's
};

Weights make_weights(const Shape& w, int64_t group) {
  const int64_t area = element_count(spatial_of(w));
  Weights weights;
  weights.shape = {w[1], w[0] / group};
  memory::dims strides = {area, w[1] * area};
  if (group > 1) {
    weights.shape.insert(weights.shape.begin(), group);
    strides.insert(strides.begin(), w[0] / group * w[1] * area);
  }
  int64_t stride = area;
  for (size_t i = 2; i < w.size(); ++i) {
    stride /= w[i];
    weights.shape.push_back(w[i]);
    strides.push_back(stride);
  }
  weights.given = memory::desc(weights.shape, memory::data_type::f32, strides);
  return weights;
}

Result<Primitive> create_primitive(const NodeFacts& node) {
  const Shape spatial = spatial_of(node.inputs[0].shape);
  PENSTOCK_ASSIGN_OR_RETURN(
      const TransposedWindow geometry,
      transposed_window(node.attributes, spatial_of(node.inputs[1].shape), spatial));
  const Window& window = geometry.window;
  memory::dims dilations = window.dilations;
  memory::dims pads_end;
  for (size_t i = 0; i < window.rank(); ++i) {
    --dilations[i];  // oneDNN counts the gaps
    const int64_t reach = (spatial[i] - 1) * window.strides[i] + window.span(i);
    pads_end.push_back(reach - geometry.output[i] - window.pads_begin[i]);
  }
  PENSTOCK_ASSIGN_OR_RETURN(const memory::desc src, describe(node.inputs[0]));
  PENSTOCK_ASSIGN_OR_RETURN(const memory::desc dst, describe(node.outputs[0]));
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return guarded([&] {
    const Weights weights = make_weights(node.inputs[1].shape, node.attributes.get_int("group", 1));
    const memory::desc any(weights.shape, memory::data_type::f32, memory::format_tag::any);
    memory::desc bias;
    if (node.has_input(2)) bias = plain_desc(node.inputs[2].shape);
    return Primitive(engine(), dnnl::prop_kind::forward_inference,
                     dnnl::algorithm::deconvolution_direct, src, any, bias, dst, window.strides,
                     dilations, window.pads_begin, pads_end, attributes);
  });
}

class DeconvTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.deconv"; }

  Offer offer(const NodeFacts& node) const override {
    for (const Operand& operand : node.inputs) {
      if (operand.present && operand.dtype != DataType::kFloat32) {
        return Offer::refuse("computes in float32, not " + std::string(to_string(operand.dtype)));
      }
    }
    if (node.inputs[0].shape.size() > 5) return Offer::refuse("takes one to three spatial axes");
    std::vector<Form> forms;
    for (Layout layout :
         {Layout::kChannelsLast, Layout::kBlocked16, Layout::kBlocked8, Layout::kPlain}) {
      forms.push_back(form_with(node, layout, layout));
    }
    return offer_fastest(node, std::move(forms), [](const NodeFacts& in) {
      Result<Primitive> primitive = create_primitive(in);
      return primitive.is_ok() ? Result<std::string>(primitive->impl_info_str())
                               : Result<std::string>(primitive.status());
    });
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    std::vector<PackedConstant> packed;
    if (node.inputs[1].data == nullptr) return packed;
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Primitive primitive, create_primitive(node));
    const Weights weights = make_weights(node.inputs[1].shape, node.attributes.get_int("group", 1));
    PENSTOCK_RETURN_IF_ERROR(
        guarded([&] {
          const memory::desc wanted = primitive.weights_desc();
          std::string format = format_name(wanted);
          if (wanted != weights.given && !format.empty()) {
            packed.push_back({1, reorder_constant(node.inputs[1].data, weights.given, wanted),
                              std::move(format)});
          }
          return true;
        }).status());
    return packed;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Primitive primitive, create_primitive(node));
    Weights weights = make_weights(node.inputs[1].shape, node.attributes.get_int("group", 1));
    if (!node.inputs[1].format.empty()) {
      PENSTOCK_ASSIGN_OR_RETURN(
          weights.given, describe_format(DataType::kFloat32, weights.shape, node.inputs[1].format));
    }
    return guarded([&] {
      auto kernel = std::make_unique<PrimitiveKernel>();
      kernel->set_output_shape(node.outputs[0].shape);
      std::vector<Argument> arguments = {input_argument(DNNL_ARG_SRC, primitive.src_desc(), 0),
                                         output_argument(DNNL_ARG_DST, primitive.dst_desc())};
      if (node.has_input(2)) {
        arguments.push_back(input_argument(DNNL_ARG_BIAS, primitive.bias_desc(), 2));
      }
      arguments.push_back(kernel->input_as(DNNL_ARG_WEIGHTS, 1, node.inputs[1].data, weights.given,
                                           primitive.weights_desc()));
      kernel->add(dnnl::deconvolution_forward(primitive), std::move(arguments),
                  primitive.scratchpad_desc());
      return std::unique_ptr<Kernel>(std::move(kernel));
    });
  }
};

}  // namespace

const Tactic& onednn_deconv() {
  static const DeconvTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
