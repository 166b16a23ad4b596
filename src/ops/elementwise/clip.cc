// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/infer.h"

namespace penstock::ops {
namespace {

using ir::Dim;

// min(max(x, bounds[0]), bounds[1]) on extents. A bound is an input; without one, x passes.
void propagate_clip(InferContext& context) {
  const bool has_min = context.has_input(1);
  const bool has_max = context.has_input(2);
  std::vector<size_t> inputs = {0};
  if (has_min) inputs.push_back(1);
  if (has_max) inputs.push_back(2);
  propagate_contents(context, inputs, [=](const auto& x) -> std::optional<Dim> {
    Dim y = x[0];
    if (has_min) y = Dim::max(y, x[1]);
    if (has_max) y = Dim::min(y, x.back());
    return y;
  });
}

Status infer_clip(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(check_elements<Elements::kNumber>(context.dtype(0)));
  for (size_t i = 1; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    PENSTOCK_RETURN_IF_ERROR(check_same_type(context, 0, i));
    const Dim count = ir::element_count(context.shape(i));
    if (count.is_constant() && !count.is_constant(1)) {
      return context.error("bound " + std::to_string(i) + " has shape " +
                           ir::to_string(context.shape(i)) + ", but must be a scalar");
    }
  }
  context.set_output(0, context.dtype(0), context.shape(0));
  const ir::Attributes& attributes = context.attributes();
  if (holds_extents(context.dtype(0)) && !attributes.has("min") && !attributes.has("max")) {
    propagate_clip(context);
  }
  return Status::ok();
}

template <typename T>
std::optional<Compute<T>> bound(const backends::NodeFacts& node, const backends::KernelRun& run,
                                std::string_view attribute, size_t i) {
  if (node.attributes.has(attribute)) {
    return static_cast<Compute<T>>(node.attributes.get_float(attribute));
  }
  if (!run.has_input(i) || run.input(i).count() == 0) return std::nullopt;
  return static_cast<Compute<T>>(*run.input(i).as<const T>());
}

Status clip_reference(const backends::NodeFacts& node, backends::KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  return dispatch_elements<Elements::kNumber>(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto low = bound<T>(node, run, "min", 1);
    const auto high = bound<T>(node, run, "max", 2);
    const int64_t n = x.count();
    for (int64_t i = 0; i < n; ++i) {
      auto value = static_cast<Compute<T>>(x.as<const T>()[i]);
      if (low && value < *low) value = *low;
      if (high && value > *high) value = *high;  // last: high wins where the bounds cross
      y.as<T>()[i] = static_cast<T>(value);
    }
  });
}

}  // namespace

const OpDefinition& clip_op() {
  static const OpDefinition kOp = {.name = "Clip",
                                   .min_inputs = 1,
                                   .max_inputs = 3,
                                   .infer = infer_clip,
                                   .reference = clip_reference,
                                   .in_place = true};
  return kOp;
}

}  // namespace penstock::ops
