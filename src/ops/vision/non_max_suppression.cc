// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <numeric>
#include <optional>

#include "ops/real_values.h"
#include "ops/reference_util.h"
#include "ops/vision/boxes.h"
#include "ops/vision/vision.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_nms(InferContext& context) {
  if (context.rank(0) != 3 || context.rank(1) != 3) {
    return context.error(
        "boxes must be [batch, boxes, 4] and scores [batch, classes, boxes], are " +
        ir::to_string(context.shape(0)) + " and " + ir::to_string(context.shape(1)));
  }
  context.set_output(0, DataType::kInt64, {context.fresh_symbol(), 3});
  return Status::ok();
}

std::optional<double> scalar(const KernelRun& run, size_t i) {
  if (!run.has_input(i)) return std::nullopt;
  const std::vector<double> values = read_reals(run.input(i));
  if (values.empty()) return std::nullopt;
  return values[0];
}

struct Limits {
  int64_t most = 0;  // boxes per class
  float overlap = 0.0f;
  std::optional<double> score;
};

// Indices of the boxes kept for one class, best first.
std::vector<int64_t> select(const std::vector<Box>& boxes, const double* scores,
                            const Limits& limits) {
  std::vector<int64_t> order(boxes.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::erase_if(order, [&](int64_t i) { return limits.score && !(scores[i] > *limits.score); });
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<int64_t> kept;
  for (int64_t candidate : order) {
    if (static_cast<int64_t>(kept.size()) >= limits.most) break;
    const bool overlaps = std::any_of(kept.begin(), kept.end(), [&](int64_t other) {
      return intersection_over_union(boxes[candidate], boxes[other]) > limits.overlap;
    });
    if (!overlaps) kept.push_back(candidate);
  }
  return kept;
}

Status reference_nms(const NodeFacts& node, KernelRun& run) {
  const Shape& boxes_shape = *run.input(0).shape;
  const Shape& scores_shape = *run.input(1).shape;
  PENSTOCK_RETURN_IF_ERROR(check_boxes_and_scores(boxes_shape, scores_shape));
  const std::vector<double> coordinates = read_reals(run.input(0));
  const std::vector<double> scores = read_reals(run.input(1));
  const std::vector<int64_t> most =
      run.has_input(2) ? read_int64s(run.input(2)) : std::vector<int64_t>();
  const Limits limits = {most.empty() ? 0 : most[0],
                         static_cast<float>(scalar(run, 3).value_or(0.0)), scalar(run, 4)};
  const bool centred = node.attributes.get_int("center_point_box") != 0;
  const int64_t count = boxes_shape[1];
  std::vector<std::array<int64_t, 3>> selected;
  for (int64_t n = 0; n < boxes_shape[0]; ++n) {
    std::vector<Box> boxes;
    for (int64_t i = 0; i < count; ++i) {
      std::array<float, 4> box;
      std::copy_n(&coordinates[(n * count + i) * 4], 4, box.begin());
      boxes.push_back(make_box(box[0], box[1], box[2], box[3], centred));
    }
    for (int64_t c = 0; c < scores_shape[1]; ++c) {
      const double* of_class = scores.data() + (n * scores_shape[1] + c) * count;
      for (int64_t i : select(boxes, of_class, limits)) selected.push_back({n, c, i});
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y,
                            run.output(0, {static_cast<int64_t>(selected.size()), 3}));
  int64_t* out = y.as<int64_t>();
  for (const auto& row : selected) out = std::copy(row.begin(), row.end(), out);
  return Status::ok();
}

}  // namespace

const OpDefinition kNonMaxSuppression = {.name = "NonMaxSuppression",
                                         .min_inputs = 2,
                                         .max_inputs = 5,
                                         .infer = infer_nms,
                                         .reference = reference_nms};

}  // namespace penstock::ops
