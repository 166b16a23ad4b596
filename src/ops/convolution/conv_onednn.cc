// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/convolution/window.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_post_ops.h"
#include "ops/onednn_tactics.h"
#include "ops/onednn_weights.h"

namespace penstock::ops {
namespace {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::convolution_forward;
using dnnl::memory;
using ir::Layout;
using Primitive = convolution_forward::primitive_desc;

// A Conv in oneDNN's terms. Weights of grouped convolutions have an axis for the group in front.
struct Problem {
  memory::desc src, bias, dst;
  memory::desc given_weights;  // as the model has them

  memory::dims strides, dilations, pads_begin, pads_end;
  PostOps post_ops;

  Primitive create(const memory::desc& weights_desc) const {
    return {engine(),
            dnnl::prop_kind::forward_inference,
            dnnl::algorithm::convolution_direct,
            src,
            weights_desc,
            bias,
            dst,
            strides,
            dilations,
            pads_begin,
            pads_end,
            post_ops.attributes()};
  }
  // Weights in the form this oneDNN likes best.
  Primitive create() const {
    return create(
        {given_weights.get_dims(), given_weights.get_data_type(), memory::format_tag::any});
  }
};

Shape grouped_weights(const Shape& shape, int64_t group) {
  if (group == 1) return shape;
  Shape result = {group, shape[0] / group};
  result.insert(result.end(), shape.begin() + 1, shape.end());
  return result;
}

Result<memory::data_type> check_operands(const NodeFacts& node) {
  if (node.inputs.size() < 2 || node.inputs[0].shape.size() < 3 ||
      node.inputs[0].shape.size() > 5) {
    return Status(StatusCode::kUnsupported, "takes one to three spatial axes");
  }
  return product_type(node);
}

Result<Problem> make_problem(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const memory::data_type type, check_operands(node));
  const Shape& weights = node.inputs[1].shape;
  PENSTOCK_ASSIGN_OR_RETURN(
      const Window window,
      resolve_window(node.attributes, spatial_of(weights), spatial_of(node.inputs[0].shape)));
  Problem problem;
  PENSTOCK_ASSIGN_OR_RETURN(problem.src, describe(node.inputs[0]));
  PENSTOCK_ASSIGN_OR_RETURN(problem.dst, describe(node.outputs[0]));
  if (node.has_input(2)) problem.bias = bias_desc(node.inputs[2], node.inputs[2].shape);
  problem.given_weights =
      plain_desc(grouped_weights(weights, node.attributes.get_int("group", 1)), type);
  problem.strides = window.strides;
  problem.dilations = window.dilations;
  for (int64_t& dilation : problem.dilations) --dilation;  // oneDNN counts the gaps
  problem.pads_begin = window.pads_begin;
  problem.pads_end = window.pads_end;
  const Shape& result = node.outputs[0].shape;
  PENSTOCK_RETURN_IF_ERROR(append_epilogue(
      node,
      [&](size_t input) -> Result<memory::desc> {
        const Operand& operand = node.inputs[input];
        return describe(operand.dtype, with_leading_ones(operand.shape, result.size()),
                        operand.layout);
      },
      problem.post_ops));
  return problem;
}

std::vector<Form> candidate_forms(const NodeFacts& node) {
  std::vector<Form> forms;
  for (Layout layout :
       {Layout::kChannelsLast, Layout::kBlocked16, Layout::kBlocked8, Layout::kPlain}) {
    forms.push_back(form_with_operands(node, layout, layout, 3));
  }
  // A first layer reads the image as it comes.
  if (node.inputs[0].shape[1] <= 4) {
    for (Layout layout : {Layout::kChannelsLast, Layout::kBlocked16, Layout::kBlocked8}) {
      forms.push_back(form_with_operands(node, Layout::kPlain, layout, 3));
    }
  }
  return forms;
}

class ConvTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.conv"; }

  Offer offer(const NodeFacts& node) const override {
    const auto type = check_operands(node);
    if (!type.is_ok()) return Offer::refuse(type.status().message());
    return offer_fastest(node, candidate_forms(node), implementation_of);
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    if (node.inputs[1].data == nullptr) return std::vector<PackedConstant>();
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    return guarded(
        [&] { return pack_weights(node, problem.given_weights, problem.create().weights_desc()); });
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    PENSTOCK_ASSIGN_OR_RETURN(const memory::desc given,
                              weights_as_given(node, problem.given_weights));
    PENSTOCK_ASSIGN_OR_RETURN(const Primitive primitive,
                              choose_primitive(problem, given, !node.inputs[1].format.empty()));
    return guarded([&] {
      return weighted_kernel(node, primitive, convolution_forward(primitive), given,
                             problem.post_ops.arguments);
    });
  }

 private:
  static Result<std::string> implementation_of(const NodeFacts& node) {
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    return guarded([&] { return std::string(problem.create().impl_info_str()); });
  }

  // With the weights as they were packed where that is fast for these shapes too, else as oneDNN
  // wants them here.
  static Result<Primitive> choose_primitive(const Problem& problem, const memory::desc& given,
                                            bool is_packed) {
    if (is_packed) {
      Result<Primitive> primitive = guarded([&] { return problem.create(given); });
      if (primitive.is_ok() && quality_of(primitive->impl_info_str()) == Quality::kFast) {
        return primitive;
      }
    }
    return guarded([&] { return problem.create(); });
  }
};

}  // namespace

const Tactic& onednn_conv() {
  static const ConvTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
