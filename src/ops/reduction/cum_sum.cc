// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reduction/reduction.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_cumulative(InferContext& context) {
  const auto axis = context.dims_parameter("axis", 1);
  if (axis && axis->size() == 1 && (*axis)[0].is_constant()) {
    PENSTOCK_RETURN_IF_ERROR(
        InferContext::normalize_axis((*axis)[0].constant(), context.rank(0)).status());
  }
  if (!is_floating(context.dtype(0)) && !is_integer(context.dtype(0))) {
    return context.error("takes no elements of type " + std::string(to_string(context.dtype(0))));
  }
  context.set_output(0, context.dtype(0), context.shape(0));
  return Status::ok();
}

// The axis: an attribute (one integer, or a list of one) or the second input.
Result<int64_t> axis_of(const NodeFacts& node, const KernelRun& run, int64_t rank) {
  std::vector<int64_t> axis = ints_parameter(node, run, "axis", 1);
  if (axis.empty() && node.attributes.has("axis")) axis = {node.attributes.get_int("axis")};
  if (axis.size() != 1) {
    return Status(StatusCode::kInvalidArgument, node.op + ": the axis must be one integer");
  }
  return InferContext::normalize_axis(axis[0], rank);
}

struct Sum {
  static constexpr int kStart = 0;
  template <typename A>
  static A combine(A a, A b) {
    return a + b;
  }
};

struct Product {
  static constexpr int kStart = 1;
  template <typename A>
  static A combine(A a, A b) {
    return a * b;
  }
};

template <typename Operation, typename T>
void accumulate(const T* x, T* y, int64_t count, int64_t stride, bool exclusive) {
  // Unsigned, so that integers wrap around instead of overflowing.
  using Total = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
  Total total{Operation::kStart};
  for (int64_t i = 0; i < count; ++i) {
    const Total before = total;
    total = Operation::combine(total, static_cast<Total>(static_cast<Compute<T>>(x[i * stride])));
    y[i * stride] = static_cast<T>(static_cast<Compute<T>>(exclusive ? before : total));
  }
}

template <typename Operation>
Status reference_cumulative(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const Shape& shape = *x.shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            axis_of(node, run, static_cast<int64_t>(shape.size())));
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  if (x.count() == 0) return Status::ok();
  const bool exclusive = node.attributes.get_int("exclusive") != 0;
  const bool reverse = node.attributes.get_int("reverse") != 0;
  const int64_t stride = strides_of(shape)[axis];
  const int64_t count = shape[axis];
  std::vector<bool> along(shape.size(), false);
  along[axis] = true;
  const ReductionIndex index = reduction_index(shape, along);
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, bool>) {
      return Status(StatusCode::kUnsupported, node.op + " of bool");
    } else {
      for (int64_t start : index.starts) {
        const int64_t first = start + (reverse ? (count - 1) * stride : 0);
        accumulate<Operation>(x.as<const T>() + first, y.as<T>() + first, count,
                              reverse ? -stride : stride, exclusive);
      }
      return Status::ok();
    }
  });
}

}  // namespace

const OpDefinition kCumSum = {.name = "CumSum",
                              .min_inputs = 1,
                              .max_inputs = 2,
                              .infer = infer_cumulative,
                              .reference = reference_cumulative<Sum>,
                              .parameters = {{1, "axis"}}};

const OpDefinition kCumProd = {.name = "CumProd",
                               .min_inputs = 1,
                               .max_inputs = 2,
                               .infer = infer_cumulative,
                               .reference = reference_cumulative<Product>,
                               .parameters = {{1, "axis"}}};

}  // namespace penstock::ops
