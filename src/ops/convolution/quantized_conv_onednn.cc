// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/onednn/memory_format.h"
#include "ops/convolution/window.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_quantized.h"
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

struct Problem : QuantizedProblem {
  memory::dims strides, dilations, pads_begin, pads_end;

  Primitive create(const memory::desc& weights) const {
    return {engine(),
            dnnl::prop_kind::forward_inference,
            dnnl::algorithm::convolution_direct,
            src,
            weights,
            bias,
            dst,
            strides,
            dilations,
            pads_begin,
            pads_end,
            attributes()};
  }
};

Status check_operands(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  if (x.size() < 3 || x.size() > 5) {
    return {StatusCode::kUnsupported, "takes one to three spatial axes"};
  }
  if (node.inputs[1].dtype != DataType::kInt8) {
    return {StatusCode::kUnsupported,
            "takes weights of int8, not " + std::string(to_string(node.inputs[1].dtype))};
  }
  if (node.config == kInFloats &&
      (node.inputs[1].data == nullptr || node.inputs[kProductScale].data == nullptr)) {
    return {StatusCode::kUnsupported, "in floats, weights and scales must be constant"};
  }
  return node.config == kInFloats ? Status::ok() : check_exact_sums(node);
}

// The rank of the weights has an axis for the groups in front where there are more than one.
memory::desc weights_desc(const Shape& shape, int64_t group) {
  Shape grouped = shape;
  if (group > 1) {
    grouped = {group, shape[0] / group};
    grouped.insert(grouped.end(), shape.begin() + 1, shape.end());
  }
  memory::dims strides(grouped.size(), 1);
  for (size_t i = grouped.size(); i-- > 1;) strides[i - 1] = strides[i] * grouped[i];
  return {grouped, memory::data_type::s8, strides};
}

Result<Problem> make_problem(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_operands(node));
  const Shape& weights = node.inputs[1].shape;
  const int64_t group = node.attributes.get_int("group", 1);
  PENSTOCK_ASSIGN_OR_RETURN(
      const Window window,
      resolve_window(node.attributes, spatial_of(weights), spatial_of(node.inputs[0].shape)));
  Problem problem;
  problem.in_floats = node.config == kInFloats;
  PENSTOCK_ASSIGN_OR_RETURN(problem.x, describe(node.inputs[0]));
  PENSTOCK_ASSIGN_OR_RETURN(problem.y, describe(node.outputs[0]));
  problem.src = problem.x;
  problem.dst = problem.y;
  if (problem.in_floats) {
    const Shape& x = node.inputs[0].shape;
    PENSTOCK_ASSIGN_OR_RETURN(problem.src, describe(DataType::kFloat32, x, node.inputs[0].layout));
    PENSTOCK_ASSIGN_OR_RETURN(
        problem.dst, describe(DataType::kFloat32, node.outputs[0].shape, node.outputs[0].layout));
    const int64_t share = std::max<int64_t>(1, element_count(weights) / weights[0]);
    problem.folded_weights = scaled_weights(node, [&](int64_t i) { return i / share; });
  }
  problem.x_zero_point = static_cast<int32_t>(node.attributes.get_int("x_zero_point"));
  if (node.has_input(kProductBias)) problem.bias = plain_desc(node.inputs[kProductBias].shape);
  if (element_count(node.inputs[kProductScale].shape) > 1) {
    problem.weights_scale_mask = group > 1 ? 3 : 1;
  }
  problem.strides = window.strides;
  problem.dilations = window.dilations;
  for (int64_t& dilation : problem.dilations) --dilation;  // oneDNN counts the gaps
  problem.pads_begin = window.pads_begin;
  problem.pads_end = window.pads_end;
  const size_t rank = node.outputs[0].shape.size();
  PENSTOCK_RETURN_IF_ERROR(problem.steps.append(node, [&](size_t input) -> Result<memory::desc> {
    const Operand& operand = node.inputs[input];
    return describe(operand.dtype, with_leading_ones(operand.shape, rank), operand.layout);
  }));
  const Status described = guarded([&] {
                             problem.given_weights = weights_desc(weights, group);
                             return true;
                           }).status();
  PENSTOCK_RETURN_IF_ERROR(described);
  return problem;
}

std::vector<Form> candidate_forms(const NodeFacts& node, std::string_view config) {
  std::vector<Form> forms;
  for (Layout layout :
       {Layout::kChannelsLast, Layout::kBlocked16, Layout::kBlocked8, Layout::kPlain}) {
    forms.push_back(form_with_operands(node, layout, layout, kProductOperands));
    forms.back().config = config;
  }
  return forms;
}

class QuantizedConvTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.quantized_conv"; }

  Offer offer(const NodeFacts& node) const override {
    Offer in_integers = offer_fastest(node, candidate_forms(node, ""), implementation_of);
    if (!in_integers.forms.empty()) return in_integers;
    Offer in_floats = offer_fastest(node, candidate_forms(node, kInFloats), implementation_of);
    in_floats.refusal = in_floats.forms.empty() ? in_integers.refusal + in_floats.refusal : "";
    return in_floats;
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    if (node.inputs[1].data == nullptr || node.config == kInFloats) {
      return std::vector<PackedConstant>();
    }
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    return guarded([&] {
      return pack_weights(node, problem.given_weights,
                          problem.create(problem.any_weights()).weights_desc());
    });
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    PENSTOCK_ASSIGN_OR_RETURN(const memory::desc given,
                              weights_as_given(node, problem.given_weights));
    return guarded([&] {
      const Primitive primitive = choose_primitive(problem, given, node.inputs[1].format);
      return quantized_kernel(node, problem, primitive, convolution_forward(primitive), given);
    });
  }

 private:
  static Result<std::string> implementation_of(const NodeFacts& node) {
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    return guarded(
        [&] { return std::string(problem.create(problem.any_weights()).impl_info_str()); });
  }

  // With the weights as they were packed where these shapes take them so.
  static Primitive choose_primitive(const Problem& problem, const memory::desc& given,
                                    const std::string& format) {
    if (!format.empty()) {
      auto primitive = guarded([&] { return problem.create(given); });
      if (primitive.is_ok() && quality_of(primitive->impl_info_str()) != Quality::kReference) {
        return *primitive;
      }
    }
    return problem.create(problem.any_weights());
  }
};

}  // namespace

const Tactic& onednn_quantized_conv() {
  static const QuantizedConvTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
