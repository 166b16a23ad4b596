// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/ml/ml.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

// ONNX's numbers.
enum Mode : int64_t { kLeq, kLess, kGreaterEqual, kGreater, kEqual, kNotEqual, kMember };
enum Aggregate : int64_t { kAverage, kSum, kMin, kMax };
enum PostTransform : int64_t { kNone, kSoftmax, kLogistic, kSoftmaxZero, kProbit };

bool all_below(const std::vector<int64_t>& values, size_t limit) {
  return std::all_of(values.begin(), values.end(), [&](int64_t value) {
    return value >= 0 && static_cast<size_t>(value) < limit;
  });
}

// The lists of one ensemble. A branch leads to a node, or to a leaf where its flag says so.
struct Ensemble {
  explicit Ensemble(const ir::Attributes& a)
      : modes(a.get_ints("nodes_modes")),
        features(a.get_ints("nodes_featureids")),
        true_ids(a.get_ints("nodes_truenodeids")),
        false_ids(a.get_ints("nodes_falsenodeids")),
        true_is_leaf(a.get_ints("nodes_trueleafs")),
        false_is_leaf(a.get_ints("nodes_falseleafs")),
        missing_is_true(a.get_ints("nodes_missing_value_tracks_true")),
        leaf_targets(a.get_ints("leaf_targetids")),
        roots(a.get_ints("tree_roots")),
        targets(a.get_int("n_targets", 1)),
        aggregate(a.get_int("aggregate_function", kSum)),
        post_transform(a.get_int("post_transform", kNone)) {
    missing_is_true.resize(modes.size(), 0);
  }

  // Empty where the lists fit together, else what is wrong.
  std::string problem() const {
    const size_t nodes = modes.size();
    for (const auto* list : {&features, &true_ids, &false_ids, &true_is_leaf, &false_is_leaf}) {
      if (list->size() != nodes) return "the lists of its nodes differ in length";
    }
    if (targets < 1 || targets > kMostTargets) {
      return "n_targets is " + std::to_string(targets);
    }
    if (!all_below(roots, nodes)) return "a root is no node";
    if (!all_below(leaf_targets, static_cast<size_t>(targets))) return "a leaf has no target";
    if (!all_below(modes, kMember + 1)) return "a node has an unknown mode";
    for (size_t i = 0; i < nodes; ++i) {
      const auto limit = [&](bool is_leaf) { return is_leaf ? leaf_targets.size() : nodes; };
      if (features[i] < 0 || !all_below({true_ids[i]}, limit(true_is_leaf[i] != 0)) ||
          !all_below({false_ids[i]}, limit(false_is_leaf[i] != 0))) {
        return "node " + std::to_string(i) + " leads nowhere";
      }
    }
    if (aggregate < kAverage || aggregate > kMax) return "the aggregate_function is unknown";
    if (post_transform < kNone || post_transform >= kProbit) {
      return "post_transform " + std::to_string(post_transform) + " is not supported";
    }
    return "";
  }

  static constexpr int64_t kMostTargets = 1 << 24;

  std::vector<int64_t> modes, features, true_ids, false_ids, true_is_leaf, false_is_leaf;
  std::vector<int64_t> missing_is_true, leaf_targets, roots;
  int64_t targets;
  int64_t aggregate;
  int64_t post_transform;
  std::vector<double> splits;                // per node
  std::vector<double> weights;               // per leaf
  std::vector<std::vector<double>> members;  // per node
};

// x [N, features], nodes_splits, leaf_weights, membership_values? -> [N, n_targets].
Status infer_tree_ensemble(InferContext& context) {
  for (size_t i = 1; i < 3; ++i) {
    if (context.dtype(i) != context.dtype(0)) return context.error("its tensors have another type");
  }
  if (!is_floating(context.dtype(0)) || context.rank(0) != 2) {
    return context.error("takes a floating matrix, not a shape of " +
                         ir::to_string(context.shape(0)));
  }
  const Ensemble ensemble(context.attributes());
  const std::string problem = ensemble.problem();
  if (!problem.empty()) return context.error(problem);
  const ir::Dim& features = context.shape(0)[1];
  if (features.is_constant() &&
      !all_below(ensemble.features, static_cast<size_t>(features.constant()))) {
    return context.error("a node asks for a feature beyond the " + features.to_string() +
                         " of the input");
  }
  context.set_output(0, context.dtype(0), {context.shape(0)[0], ensemble.targets});
  return Status::ok();
}

// Members of the sets, each ended by NaN, in the order of the nodes that ask for them.
Status read_members(const KernelRun& run, Ensemble& ensemble) {
  const std::vector<double> values =
      run.has_input(3) ? read_reals(run.input(3)) : std::vector<double>();
  ensemble.members.resize(ensemble.modes.size());
  size_t at = 0;
  for (size_t i = 0; i < ensemble.modes.size(); ++i) {
    if (ensemble.modes[i] != kMember) continue;
    while (at < values.size() && !std::isnan(values[at])) {
      ensemble.members[i].push_back(values[at++]);
    }
    if (at == values.size()) {
      return {StatusCode::kInvalidModel, "membership_values has no set for node " +
                                             std::to_string(i) + ": a set ends with NaN"};
    }
    ++at;
  }
  return Status::ok();
}

bool takes_true(const Ensemble& e, size_t node, double x) {
  if (std::isnan(x) && e.missing_is_true[node] != 0) return true;
  const double split = e.splits[node];
  switch (e.modes[node]) {
    case kLeq: return x <= split;
    case kLess: return x < split;
    case kGreaterEqual: return x >= split;
    case kGreater: return x > split;
    case kEqual: return x == split;
    case kNotEqual: return x != split;
    default:
      return std::find(e.members[node].begin(), e.members[node].end(), x) != e.members[node].end();
  }
}

// The leaf that `row` comes to from a root; -1 in a circle of nodes.
int64_t find_leaf(const Ensemble& e, int64_t root, const double* row) {
  auto node = static_cast<size_t>(root);
  for (size_t steps = 0; steps < e.modes.size(); ++steps) {
    const bool is_true = takes_true(e, node, row[e.features[node]]);
    const int64_t next = is_true ? e.true_ids[node] : e.false_ids[node];
    if ((is_true ? e.true_is_leaf : e.false_is_leaf)[node] != 0) return next;
    node = static_cast<size_t>(next);
  }
  return -1;
}

// Targets that no leaf of this row has stay 0.
class Aggregation {
 public:
  Aggregation(const Ensemble& ensemble, double* row) : ensemble_(ensemble), row_(row) {
    seen_.resize(static_cast<size_t>(ensemble.targets), false);
  }

  void add(int64_t leaf) {
    const auto target = static_cast<size_t>(ensemble_.leaf_targets[static_cast<size_t>(leaf)]);
    const double weight = ensemble_.weights[static_cast<size_t>(leaf)];
    double& value = row_[target];
    const auto trees = static_cast<double>(ensemble_.roots.size());
    switch (ensemble_.aggregate) {
      case kAverage: value += weight / trees; break;
      case kMin: value = seen_[target] ? std::min(value, weight) : weight; break;
      case kMax: value = seen_[target] ? std::max(value, weight) : weight; break;
      default: value += weight; break;
    }
    seen_[target] = true;
  }

 private:
  const Ensemble& ensemble_;
  double* row_;
  std::vector<bool> seen_;
};

// Softmax; with `keep_zeros`, over the numbers that are not 0, which stay 0.
void softmax(double* row, int64_t n, bool keep_zeros) {
  const double largest = *std::max_element(row, row + n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (keep_zeros && row[i] == 0) continue;
    row[i] = std::exp(row[i] - largest);
    sum += row[i];
  }
  if (sum == 0) return;
  for (int64_t i = 0; i < n; ++i) row[i] /= sum;
}

void transform(const Ensemble& ensemble, double* row) {
  const int64_t n = ensemble.targets;
  if (ensemble.post_transform == kLogistic) {
    for (int64_t i = 0; i < n; ++i) row[i] = 1 / (1 + std::exp(-row[i]));
  } else if (ensemble.post_transform != kNone) {
    softmax(row, n, ensemble.post_transform == kSoftmaxZero);
  }
}

Status run_tree_ensemble(const NodeFacts& node, KernelRun& run) {
  Ensemble ensemble(node.attributes);
  ensemble.splits = read_reals(run.input(1));
  ensemble.weights = read_reals(run.input(2));
  if (ensemble.splits.size() != ensemble.modes.size() ||
      ensemble.weights.size() != ensemble.leaf_targets.size()) {
    return {StatusCode::kInvalidModel, "splits or weights are missing for some node or leaf"};
  }
  PENSTOCK_RETURN_IF_ERROR(read_members(run, ensemble));
  const Shape& shape = *run.input(0).shape;
  if (!all_below(ensemble.features, static_cast<size_t>(shape[1]))) {
    return {StatusCode::kInvalidArgument,
            "a node asks for a feature beyond the " + std::to_string(shape[1]) + " of the input"};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {shape[0], ensemble.targets}));
  const std::vector<double> x = read_reals(run.input(0));
  std::vector<double> results(static_cast<size_t>(y.count()), 0.0);
  for (int64_t n = 0; n < shape[0]; ++n) {
    double* row = results.data() + n * ensemble.targets;
    Aggregation aggregation(ensemble, row);
    for (int64_t root : ensemble.roots) {
      const int64_t leaf = find_leaf(ensemble, root, x.data() + n * shape[1]);
      if (leaf < 0) return {StatusCode::kInvalidModel, "the nodes of a tree lead in a circle"};
      aggregation.add(leaf);
    }
    transform(ensemble, row);
  }
  return write_reals(results, y);
}

}  // namespace

const OpDefinition kTreeEnsemble = {.name = "TreeEnsemble",
                                    .min_inputs = 3,
                                    .max_inputs = 4,
                                    .infer = infer_tree_ensemble,
                                    .reference = run_tree_ensemble};

}  // namespace penstock::ops
