// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/real_values.h"
#include "ops/reduction/reduction.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status check_type(InferContext& context, Reduction reduction) {
  const DataType type = context.dtype(0);
  const bool ordered = reduction == Reduction::kMax || reduction == Reduction::kMin;
  if (is_floating(type) || is_integer(type) || (type == DataType::kBool && ordered)) {
    return Status::ok();
  }
  return context.error("cannot reduce elements of type " + std::string(to_string(type)));
}

// Extents reduced as numbers: how exporters compute sizes.
void infer_contents(InferContext& context, Reduction reduction, const std::vector<bool>& reduced) {
  const std::vector<ir::Dim>* known = context.contents(0);
  if (known == nullptr || !ir::is_constant(context.shape(0))) return;
  ir::Dim (*combine)(const ir::Dim&, const ir::Dim&) = nullptr;
  switch (reduction) {
    case Reduction::kSum: combine = [](const ir::Dim& a, const ir::Dim& b) { return a + b; }; break;
    case Reduction::kProd:
      combine = [](const ir::Dim& a, const ir::Dim& b) { return a * b; };
      break;
    case Reduction::kMax: combine = ir::Dim::max; break;
    case Reduction::kMin: combine = ir::Dim::min; break;
    default: return;
  }
  Shape shape;
  for (const ir::Dim& extent : context.shape(0)) shape.push_back(extent.constant());
  const ReductionIndex index = reduction_index(shape, reduced);
  if (index.steps.empty() || static_cast<int64_t>(known->size()) != element_count(shape)) return;
  std::vector<ir::Dim> contents;
  for (int64_t start : index.starts) {
    ir::Dim value = (*known)[start + index.steps[0]];
    for (size_t i = 1; i < index.steps.size(); ++i) {
      value = combine(value, (*known)[start + index.steps[i]]);
    }
    contents.push_back(value);
  }
  context.set_contents(0, std::move(contents));
}

// Axes that only the run tells: their number may still be known, and with it the rank.
Status infer_unknown_axes(InferContext& context, bool keepdims) {
  int64_t rank = context.rank(0);
  if (!keepdims) {
    const ir::SymbolicShape& axes = context.shape(1);
    if (axes.size() != 1 || !axes[0].is_constant() || axes[0].is_constant(0)) {
      return {StatusCode::kUnsupported,
              "the number of reduced axes is known only at run time, and with keepdims = 0 the "
              "rank of the result depends on it"};
    }
    rank -= axes[0].constant();
    if (rank < 0) return context.error("more axes than dimensions");
  }
  ir::SymbolicShape shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(context.fresh_symbol());
  context.set_output(0, context.dtype(0), std::move(shape));
  return Status::ok();
}

Status infer_reduce(InferContext& context) {
  const Reduction reduction = *find_reduction(context.node().op);
  PENSTOCK_RETURN_IF_ERROR(check_type(context, reduction));
  const bool keepdims = context.attributes().get_int("keepdims", 1) != 0;
  const auto parameter = context.dims_parameter("axes", 1);
  std::vector<int64_t> axes;
  bool known = parameter.has_value() || !context.has_input(1);
  for (const ir::Dim& axis : parameter.value_or(std::vector<ir::Dim>())) {
    known = known && axis.is_constant();
    axes.push_back(axis.constant());
  }
  if (!known) return infer_unknown_axes(context, keepdims);
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<bool> reduced,
                            reduced_axes(context.attributes(), axes, context.rank(0)));
  context.set_output(0, context.dtype(0), reduced_shape(context.shape(0), reduced, keepdims));
  infer_contents(context, reduction, reduced);
  return Status::ok();
}

// Integers are reduced in 64 bits that wrap around, floats in double.
template <typename T>
using Wide = std::conditional_t<!std::is_integral_v<T>, double,
                                std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <typename W>
W add(W a, W b) {
  if constexpr (std::is_integral_v<W>) {
    return static_cast<W>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  } else {
    return a + b;
  }
}

template <typename W>
W multiply(W a, W b) {
  if constexpr (std::is_integral_v<W>) {
    return static_cast<W>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  } else {
    return a * b;
  }
}

// A NaN wins.
template <typename W>
W extreme(const std::vector<W>& values, W identity, bool largest) {
  W result = identity;
  for (W value : values) {
    if (value != value) return value;
    if (largest ? value > result : value < result) result = value;
  }
  return result;
}

template <typename T>
T largest(const std::vector<Wide<T>>& values) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(
        extreme(values, static_cast<Wide<T>>(std::numeric_limits<T>::lowest()), true));
  } else {
    return from_real<T>(extreme(values, -std::numeric_limits<double>::infinity(), true));
  }
}

template <typename T>
T smallest(const std::vector<Wide<T>>& values) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(
        extreme(values, static_cast<Wide<T>>(std::numeric_limits<T>::max()), false));
  } else {
    return from_real<T>(extreme(values, std::numeric_limits<double>::infinity(), false));
  }
}

template <typename W>
double log_sum_exp(const std::vector<W>& values) {
  double most = -std::numeric_limits<double>::infinity();
  for (W value : values) most = std::max(most, static_cast<double>(value));
  if (std::isinf(most)) return most;
  double sum = 0.0;
  for (W value : values) sum += std::exp(static_cast<double>(value) - most);
  return most + std::log(sum);
}

template <typename T>
T narrow(Wide<T> value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(value);
  } else {
    return from_real<T>(value);
  }
}

template <typename T>
T mean(Wide<T> sum, size_t count) {
  if constexpr (std::is_integral_v<T>) {
    return count == 0 ? T{0} : static_cast<T>(sum / static_cast<Wide<T>>(count));
  } else {
    return from_real<T>(sum / static_cast<double>(count));
  }
}

// Roots and logarithms of integers are cut off, as a cast from float would.
template <typename T>
T from_root(double value) {
  return from_real<T>(std::is_integral_v<T> ? std::trunc(value) : value);
}

template <typename T>
T reduce(Reduction reduction, const std::vector<Wide<T>>& values) {
  using W = Wide<T>;
  W sum{0};
  W magnitudes{0};
  W squares{0};
  W product{1};
  for (W value : values) {
    sum = add(sum, value);
    magnitudes = add(magnitudes, value < W{0} ? multiply(value, static_cast<W>(-1)) : value);
    squares = add(squares, multiply(value, value));
    product = multiply(product, value);
  }
  switch (reduction) {
    case Reduction::kSum: return narrow<T>(sum);
    case Reduction::kMean: return mean<T>(sum, values.size());
    case Reduction::kMax: return largest<T>(values);
    case Reduction::kMin: return smallest<T>(values);
    case Reduction::kProd: return narrow<T>(product);
    case Reduction::kL1: return narrow<T>(magnitudes);
    case Reduction::kL2: return from_root<T>(std::sqrt(static_cast<double>(squares)));
    case Reduction::kSumSquare: return narrow<T>(squares);
    case Reduction::kLogSum: return from_root<T>(std::log(static_cast<double>(sum)));
    case Reduction::kLogSumExp: return from_root<T>(log_sum_exp(values));
  }
  return T{};
}

template <typename T>
Wide<T> widen(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<Wide<T>>(value);
  } else {
    return to_real(value);
  }
}

Status reference_reduce(const NodeFacts& node, KernelRun& run) {
  const Reduction reduction = *find_reduction(node.op);
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<bool> reduced,
                            reduced_axes(node.attributes, ints_parameter(node, run, "axes", 1),
                                         static_cast<int64_t>(x.shape->size())));
  const bool keepdims = node.attributes.get_int("keepdims", 1) != 0;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y,
                            run.output(0, reduced_shape(*x.shape, reduced, keepdims)));
  const ReductionIndex index = reduction_index(*x.shape, reduced);
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<Wide<T>> values(index.steps.size());
    for (size_t i = 0; i < index.starts.size(); ++i) {
      for (size_t j = 0; j < values.size(); ++j) {
        values[j] = widen(x.as<const T>()[index.starts[i] + index.steps[j]]);
      }
      y.as<T>()[i] = reduce<T>(reduction, values);
    }
    return Status::ok();
  });
}

OpDefinition reduce_op(std::string_view name) {
  return {.name = name,
          .min_inputs = 1,
          .max_inputs = 2,
          .infer = infer_reduce,
          .reference = reference_reduce,
          .parameters = {{1, "axes"}}};
}

const OpDefinition kReduceOps[] = {
    reduce_op("ReduceSum"),       reduce_op("ReduceMean"),      reduce_op("ReduceMax"),
    reduce_op("ReduceMin"),       reduce_op("ReduceProd"),      reduce_op("ReduceL1"),
    reduce_op("ReduceL2"),        reduce_op("ReduceSumSquare"), reduce_op("ReduceLogSum"),
    reduce_op("ReduceLogSumExp"),
};

}  // namespace

OpList reduce_ops() {
  OpList ops;
  for (const OpDefinition& op : kReduceOps) ops.push_back(&op);
  return ops;
}

}  // namespace penstock::ops
