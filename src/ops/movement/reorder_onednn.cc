// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/memory_format.h"
#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/onednn_offer.h"
#include "ops/onednn_tactics.h"

namespace penstock::ops {
namespace {

using namespace backends;          // NOLINT: the seam's names
using namespace backends::onednn;  // NOLINT
using dnnl::memory;
using ir::Layout;

class ReorderTactic : public Tactic {
 public:
  std::string_view name() const override { return "onednn.reorder"; }

  // From each layout to the one that attribute "layout" names.
  Offer offer(const NodeFacts& node) const override {
    const auto target = ir::parse_layout(node.attributes.get_string("layout", "plain"));
    if (!target) return Offer::refuse("no such layout");
    Offer offer;
    for (Layout layout :
         {Layout::kPlain, Layout::kChannelsLast, Layout::kBlocked8, Layout::kBlocked16}) {
      Form form = form_with(node, layout, *target);
      const Result<memory::desc> from = describe(in_form(node, form).inputs[0]);
      const Result<memory::desc> to = describe(in_form(node, form).outputs[0]);
      if (from.is_ok() && to.is_ok()) {
        offer.forms.push_back(std::move(form));
      } else {
        offer.refusal = (from.is_ok() ? to : from).status().message();
      }
    }
    if (!offer.forms.empty()) offer.refusal.clear();
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const ThreadScope scope(node.threads);
    PENSTOCK_ASSIGN_OR_RETURN(const memory::desc from, describe(node.inputs[0]));
    PENSTOCK_ASSIGN_OR_RETURN(const memory::desc to, describe(node.outputs[0]));
    return guarded([&] {
      dnnl::primitive_attr attributes;
      attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
      const dnnl::reorder::primitive_desc primitive(engine(), from, engine(), to, attributes);
      auto kernel = std::make_unique<PrimitiveKernel>();
      kernel->set_output_shape(node.outputs[0].shape);
      kernel->add(dnnl::reorder(primitive),
                  {input_argument(DNNL_ARG_FROM, from, 0), output_argument(DNNL_ARG_TO, to)},
                  primitive.scratchpad_desc());
      return std::unique_ptr<Kernel>(std::move(kernel));
    });
  }
};

}  // namespace

const Tactic& onednn_reorder() {
  static const ReorderTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
