// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/convolution/conv_transpose.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_tactics.h"
#include "ops/onednn_weights.h"

namespace penstock::ops {
namespace {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::memory;
using ir::Layout;
using Primitive = dnnl::deconvolution_forward::primitive_desc;

// ONNX's order of weights, seen as oneDNN's: they are [C, M / group, kernel...], and [group, M /
// group, C / group, kernel...].
memory::desc given_weights(const NodeFacts& node, memory::data_type type) {
  const Shape& w = node.inputs[1].shape;
  const int64_t group = node.attributes.get_int("group", 1);
  const int64_t area = element_count(spatial_of(w));
  Shape shape = {w[1], w[0] / group};
  memory::dims strides = {area, w[1] * area};
  if (group > 1) {
    shape.insert(shape.begin(), group);
    strides.insert(strides.begin(), w[0] / group * w[1] * area);
  }
  int64_t stride = area;
  for (size_t i = 2; i < w.size(); ++i) {
    stride /= w[i];
    shape.push_back(w[i]);
    strides.push_back(stride);
  }
  return {shape, type, strides};
}

Result<Primitive> create_primitive(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type type, product_type(node));
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
    const memory::desc any(given_weights(node, type).get_dims(), type, memory::format_tag::any);
    memory::desc bias;
    if (node.has_input(2)) bias = bias_desc(node.inputs[2], node.inputs[2].shape);
    return Primitive(engine(), dnnl::prop_kind::forward_inference,
                     dnnl::algorithm::deconvolution_direct, src, any, bias, dst, window.strides,
                     dilations, window.pads_begin, pads_end, attributes);
  });
}

class DeconvTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.deconv"; }

  Offer offer(const NodeFacts& node) const override {
    const auto type = product_type(node);
    if (!type.is_ok()) return Offer::refuse(type.status().message());
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
    if (node.inputs[1].data == nullptr) return std::vector<PackedConstant>();
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Primitive primitive, create_primitive(node));
    return guarded([&] {
      const memory::desc wanted = primitive.weights_desc();
      return pack_weights(node, given_weights(node, wanted.get_data_type()), wanted);
    });
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Primitive primitive, create_primitive(node));
    PENSTOCK_ASSIGN_OR_RETURN(
        const memory::desc given,
        weights_as_given(node, given_weights(node, primitive.weights_desc().get_data_type())));
    return guarded([&] {
      return weighted_kernel(node, primitive, dnnl::deconvolution_forward(primitive), given);
    });
  }
};

}  // namespace

const Tactic& onednn_deconv() {
  static const DeconvTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
