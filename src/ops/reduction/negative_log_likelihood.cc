// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/reduction/reduction.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// x [N, C, d...] of log-probabilities, target [N, d...] of classes, weight [C]? -> -x at the
// target, weighted; 0 where the target is ignore_index. reduction: none, sum, or mean over the
// weights.
Status infer_loss(InferContext& context) {
  const ir::SymbolicShape& x = context.shape(0);
  const ir::SymbolicShape& target = context.shape(1);
  if (!is_floating(context.dtype(0))) {
    return context.error("takes floating numbers, not " + std::string(to_string(context.dtype(0))));
  }
  if (context.dtype(1) != DataType::kInt32 && context.dtype(1) != DataType::kInt64) {
    return context.error("targets are int32 or int64, not " +
                         std::string(to_string(context.dtype(1))));
  }
  bool fits = x.size() >= 2 && target.size() + 1 == x.size();
  for (size_t i = 0; i < target.size() && fits; ++i) {
    const ir::Dim& extent = x[i == 0 ? 0 : i + 1];
    fits = !extent.is_constant() || !target[i].is_constant() || extent == target[i];
  }
  if (!fits) {
    return context.error("targets of shape " + ir::to_string(target) + " do not fit " +
                         ir::to_string(x) + ": they are [N, d...] for [N, C, d...]");
  }
  if (context.has_input(2)) {
    const ir::SymbolicShape& weight = context.shape(2);
    const bool is_list = weight.size() == 1 &&
                         (!weight[0].is_constant() || !x[1].is_constant() || weight[0] == x[1]);
    if (!is_list || context.dtype(2) != context.dtype(0)) {
      return context.error("weights must be one per class, of the type of the probabilities");
    }
  }
  const std::string reduction = context.attributes().get_string("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    return context.error("reduction '" + reduction + "' is none of none, sum and mean");
  }
  context.set_output(0, context.dtype(0), reduction == "none" ? target : ir::SymbolicShape());
  return Status::ok();
}

Status check_shapes(const Shape& x, const Shape& target, const KernelRun& run) {
  Shape expected = x;
  expected.erase(expected.begin() + 1);
  if (target != expected) {
    return {StatusCode::kInvalidArgument, "targets of shape " + to_string(target) + " do not fit " +
                                              to_string(x) + ", which needs " +
                                              to_string(expected)};
  }
  if (run.has_input(2) && run.input(2).count() != x[1]) {
    return {StatusCode::kInvalidArgument, std::to_string(run.input(2).count()) + " weights for " +
                                              std::to_string(x[1]) + " classes"};
  }
  return Status::ok();
}

struct Losses {
  std::vector<double> losses;
  double total = 0;
  double weights = 0;
};

template <typename T>
Result<Losses> losses_of(const NodeFacts& node, const KernelRun& run) {
  const Shape& shape = *run.input(0).shape;
  const T* x = run.input(0).as<const T>();
  const T* weight = run.has_input(2) ? run.input(2).as<const T>() : nullptr;
  const std::vector<int64_t> targets = read_int64s(run.input(1));
  const int64_t classes = shape[1];
  const int64_t area = element_count(Shape(shape.begin() + 2, shape.end()));
  const bool may_ignore = node.attributes.has("ignore_index");
  const int64_t ignored = node.attributes.get_int("ignore_index");
  Losses result;
  for (size_t i = 0; i < targets.size(); ++i) {
    const int64_t target = targets[i];
    double loss = 0;
    if (!may_ignore || target != ignored) {
      if (target < 0 || target >= classes) {
        return Status(StatusCode::kInvalidArgument, "target " + std::to_string(target) +
                                                        " is none of the " +
                                                        std::to_string(classes) + " classes");
      }
      const auto at = static_cast<int64_t>(i);
      const double factor =
          weight == nullptr ? 1.0 : static_cast<double>(static_cast<Compute<T>>(weight[target]));
      const T element = x[(at / area * classes + target) * area + at % area];
      loss = -static_cast<double>(static_cast<Compute<T>>(element)) * factor;
      result.weights += factor;
    }
    result.losses.push_back(loss);
    result.total += loss;
  }
  return result;
}

Status run_loss(const NodeFacts& node, KernelRun& run) {
  const Shape& target = *run.input(1).shape;
  PENSTOCK_RETURN_IF_ERROR(check_shapes(*run.input(0).shape, target, run));
  const std::string reduction = node.attributes.get_string("reduction", "mean");
  return dispatch(run.input(0).dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    PENSTOCK_ASSIGN_OR_RETURN(const Losses result, losses_of<T>(node, run));
    const auto store = [](double value) { return static_cast<T>(static_cast<Compute<T>>(value)); };
    if (reduction == "none") {
      PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, target));
      std::transform(result.losses.begin(), result.losses.end(), y.as<T>(), store);
      return Status::ok();
    }
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {}));
    *y.as<T>() = store(reduction == "sum" ? result.total : result.total / result.weights);
    return Status::ok();
  });
}

}  // namespace

const OpDefinition kNegativeLogLikelihoodLoss = {.name = "NegativeLogLikelihoodLoss",
                                                 .min_inputs = 2,
                                                 .max_inputs = 3,
                                                 .infer = infer_loss,
                                                 .reference = run_loss};

}  // namespace penstock::ops
