// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/onednn/primitive_kernel.h"
#include "backends/cpu/sixteen_bits.h"
#include "ops/convolution/window.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_tactics.h"

namespace penstock::ops {
namespace {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::algorithm;
using ir::Layout;
using Primitive = dnnl::pooling_forward::primitive_desc;

struct Problem {
  algorithm kind = algorithm::pooling_max;
  Window window;
};

// Whether what pads the input counts among the elements that AveragePool divides by.
bool counts_padding(const NodeFacts& node, const Window& window) {
  if (node.op != "AveragePool" || node.attributes.get_int("count_include_pad") == 0) return false;
  const std::vector<int64_t> pads = node.attributes.get_ints("pads");
  return window.is_same() ||
         std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
}

// The window of a pooling, its end padding stretched to what ceil_mode adds.
Result<Problem> local_problem(const NodeFacts& node) {
  if (node.has_output(1)) return Status(StatusCode::kUnsupported, "gives no indices");
  Problem problem;
  const Shape spatial = spatial_of(node.inputs[0].shape);
  PENSTOCK_ASSIGN_OR_RETURN(
      problem.window,
      resolve_window(node.attributes, node.attributes.get_ints("kernel_shape"), spatial));
  Window& window = problem.window;
  const bool counts = counts_padding(node, window);
  // Whether it adds any depends on the extents, and a plan runs at others than those it is tuned
  // for.
  if (counts && window.ceil_mode && !window.is_same()) {
    return Status(StatusCode::kUnsupported, "would count what ceil_mode adds as padding");
  }
  for (size_t i = 0; i < window.rank(); ++i) {
    const int64_t reach = (node.outputs[0].shape[2 + i] - 1) * window.strides[i] + window.span(i);
    const int64_t beyond = reach - spatial[i] - window.pads_begin[i] - window.pads_end[i];
    window.pads_end[i] += std::max<int64_t>(0, beyond);
  }
  if (node.op == "AveragePool") {
    problem.kind =
        counts ? algorithm::pooling_avg_include_padding : algorithm::pooling_avg_exclude_padding;
  }
  return problem;
}

// A window as large as the input.
Result<Problem> global_problem(const NodeFacts& node) {
  Problem problem;
  problem.kind =
      node.op == "GlobalMaxPool" ? algorithm::pooling_max : algorithm::pooling_avg_exclude_padding;
  PENSTOCK_ASSIGN_OR_RETURN(problem.window, parse_window({}, spatial_of(node.inputs[0].shape)));
  return problem;
}

Result<Primitive> create_primitive(const NodeFacts& node, const Problem& problem) {
  PENSTOCK_ASSIGN_OR_RETURN(const dnnl::memory::desc src, describe(node.inputs[0]));
  PENSTOCK_ASSIGN_OR_RETURN(const dnnl::memory::desc dst, describe(node.outputs[0]));
  dnnl::memory::dims dilations = problem.window.dilations;
  for (int64_t& dilation : dilations) --dilation;  // oneDNN counts the gaps
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return guarded([&] {
    return Primitive(engine(), dnnl::prop_kind::forward_inference, problem.kind, src, dst,
                     problem.window.strides, problem.window.kernel, dilations,
                     problem.window.pads_begin, problem.window.pads_end, attributes);
  });
}

class PoolTactic : public Tactic {
 public:
  using MakeProblem = Result<Problem> (*)(const NodeFacts&);
  PoolTactic(std::string_view name, MakeProblem make_problem)
      : name_(name), make_problem_(make_problem) {}

  std::string_view name() const override { return name_; }

  Offer offer(const NodeFacts& node) const override {
    const Operand& x = node.inputs[0];
    if (x.dtype != DataType::kFloat32 && !multiplies_sixteen_bits(x.dtype)) {
      return Offer::refuse("pools float32, not " + std::string(to_string(x.dtype)));
    }
    if (x.shape.size() < 3 || x.shape.size() > 5) {
      return Offer::refuse("takes one to three spatial axes");
    }
    std::vector<Form> forms;
    for (Layout layout :
         {Layout::kChannelsLast, Layout::kBlocked16, Layout::kBlocked8, Layout::kPlain}) {
      forms.push_back(form_with(node, layout, layout));
    }
    Offer offer = offer_fastest(node, std::move(forms), [this](const NodeFacts& in) {
      Result<Primitive> primitive = create(in);
      return primitive.is_ok() ? Result<std::string>(primitive->impl_info_str())
                               : Result<std::string>(primitive.status());
    });
    add_free_conversions(node, offer);
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const Primitive primitive, create(with_pool_layout(node)));
    return guarded([&] {
      auto kernel = std::make_unique<PrimitiveKernel>();
      kernel->set_output_shape(node.outputs[0].shape);
      kernel->add(dnnl::pooling_forward(primitive),
                  {input_argument(DNNL_ARG_SRC, primitive.src_desc(), 0),
                   output_argument(DNNL_ARG_DST, primitive.dst_desc())},
                  primitive.scratchpad_desc());
      return std::unique_ptr<Kernel>(std::move(kernel));
    });
  }

 private:
  Result<Primitive> create(const NodeFacts& node) const {
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem_(node));
    return create_primitive(node, problem);
  }

  // One element a plane lies the same way in channels-last and row-major order.
  static bool is_layout_free(const Shape& shape) {
    return std::all_of(shape.begin() + 2, shape.end(), [](int64_t extent) { return extent == 1; });
  }
  static void add_free_conversions(const NodeFacts& node, Offer& offer) {
    if (!is_layout_free(node.outputs[0].shape)) return;
    for (size_t i = 0; i < offer.forms.size(); ++i) {
      if (offer.forms[i].outputs[0] != Layout::kChannelsLast) continue;
      Form form = offer.forms[i];
      form.outputs[0] = Layout::kPlain;
      offer.forms.push_back(std::move(form));
      return;
    }
  }
  static NodeFacts with_pool_layout(NodeFacts node) {
    node.outputs[0].layout = node.inputs[0].layout;
    return node;
  }

  std::string name_;
  MakeProblem make_problem_;
};

}  // namespace

const Tactic& onednn_pool() {
  static const PoolTactic kTactic("onednn.pool", local_problem);
  return kTactic;
}

const Tactic& onednn_global_pool() {
  static const PoolTactic kTactic("onednn.global_pool", global_problem);
  return kTactic;
}

}  // namespace penstock::ops
