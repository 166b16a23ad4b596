// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/real_values.h"
#include "ops/reduction/reduction.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Result<std::vector<bool>> axis_flags(const ir::Attributes& attributes, size_t rank) {
  return reduced_axes(attributes, {attributes.get_int("axis", 0)}, static_cast<int64_t>(rank));
}

Status infer_arg(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<bool> reduced,
                            axis_flags(context.attributes(), context.shape(0).size()));
  const bool keepdims = context.attributes().get_int("keepdims", 1) != 0;
  context.set_output(0, DataType::kInt64, reduced_shape(context.shape(0), reduced, keepdims));
  return Status::ok();
}

template <typename T>
bool is_nan(T value) {
  if constexpr (std::is_integral_v<T>) {
    return false;
  } else {
    return std::isnan(to_real(value));
  }
}

// Does `candidate`, which comes later, win over `best`? The first NaN wins over everything.
template <typename T>
bool wins(T candidate, T best, bool largest, bool last_of_equals) {
  if (is_nan(best)) return last_of_equals && is_nan(candidate);
  if (is_nan(candidate)) return true;
  using C = Compute<T>;
  const C a = static_cast<C>(candidate);
  const C b = static_cast<C>(best);
  return a == b ? last_of_equals : (largest ? a > b : a < b);
}

Status reference_arg(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<bool> reduced,
                            axis_flags(node.attributes, x.shape->size()));
  const bool keepdims = node.attributes.get_int("keepdims", 1) != 0;
  const bool last = node.attributes.get_int("select_last_index", 0) != 0;
  const bool largest = node.op == "ArgMax";
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y,
                            run.output(0, reduced_shape(*x.shape, reduced, keepdims)));
  const ReductionIndex index = reduction_index(*x.shape, reduced);
  if (index.steps.empty() && y.count() > 0) {
    return {StatusCode::kInvalidArgument, node.op + ": the axis has no elements"};
  }
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = x.as<const T>();
    for (size_t i = 0; i < index.starts.size() && !index.steps.empty(); ++i) {
      size_t best = 0;
      for (size_t j = 1; j < index.steps.size(); ++j) {
        if (wins(data[index.starts[i] + index.steps[j]], data[index.starts[i] + index.steps[best]],
                 largest, last)) {
          best = j;
        }
      }
      y.as<int64_t>()[i] = static_cast<int64_t>(best);
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition kArgMax = {.name = "ArgMax",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .infer = infer_arg,
                              .reference = reference_arg};
const OpDefinition kArgMin = {.name = "ArgMin",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .infer = infer_arg,
                              .reference = reference_arg};

}  // namespace penstock::ops
