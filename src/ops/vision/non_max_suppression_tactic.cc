// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "backends/cpu/cpu_stream.h"
#include "ops/reference_util.h"
#include "ops/vision/boxes.h"
#include "ops/vision/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

constexpr int64_t kBoxesPerColumn = 16;
constexpr int64_t kMostColumns = 1024;

// The boxes kept so far, in columns by their left edges. A box can overlap only boxes of columns
// from one widest box left of it to its own right edge, so few of thousands are looked at.
class KeptBoxes {
 public:
  // `boxes` are those that may be added or asked about.
  KeptBoxes(const std::vector<Box>& boxes, bool disjoint_may_suppress) {
    float low = std::numeric_limits<float>::infinity();
    float high = -low;
    bool finite = true;
    for (const Box& box : boxes) {
      finite = finite && std::isfinite(box.x0) && std::isfinite(box.x1);
      low = std::min(low, box.x0);
      high = std::max(high, box.x1);
    }
    const auto columns =
        std::clamp<int64_t>(static_cast<int64_t>(boxes.size()) / kBoxesPerColumn, 1, kMostColumns);
    const float range = high - low;
    const bool sorted = !disjoint_may_suppress && finite && std::isfinite(range) && range > 0.0f;
    columns_.resize(sorted ? columns : 1);
    low_ = sorted ? low : 0.0f;
    scale_ = sorted ? static_cast<float>(columns) / range : 0.0f;
  }

  void add(const Box& box) {
    columns_[column(box.x0)].push_back(box);
    widest_ = std::max(widest_, box.x1 - box.x0);
  }

  bool suppresses(const Box& box, float overlap) const {
    // One column further left, for rounding.
    const size_t first = column(box.x0 - widest_);
    const size_t last = column(box.x1);
    for (size_t i = first - std::min<size_t>(first, 1); i <= last; ++i) {
      for (const Box& other : columns_[i]) {
        if (intersection_over_union(box, other) > overlap) return true;
      }
    }
    return false;
  }

 private:
  size_t column(float x) const {
    const float place = (x - low_) * scale_;
    if (!(place > 0.0f)) return 0;
    return std::min(columns_.size() - 1, static_cast<size_t>(std::min(place, 1e6f)));
  }

  std::vector<std::vector<Box>> columns_;
  float low_ = 0.0f;
  float scale_ = 0.0f;
  float widest_ = 0.0f;
};

struct Limits {
  int64_t most = 0;  // boxes of a class
  float overlap = 0.0f;
  float score = -std::numeric_limits<float>::infinity();
  bool has_score = false;
};

// Indices of the boxes kept for one class, best first.
std::vector<int64_t> select(const float* coordinates, const float* scores, int64_t count,
                            bool centred, const Limits& limits) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < count; ++i) {
    if (!limits.has_score || scores[i] > limits.score) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<Box> boxes;
  boxes.reserve(order.size());
  for (int64_t i : order) {
    const float* box = coordinates + 4 * i;
    boxes.push_back(make_box(box[0], box[1], box[2], box[3], centred));
  }
  std::vector<int64_t> selected;
  KeptBoxes kept(boxes, limits.overlap < 0.0f);
  for (size_t i = 0; i < order.size(); ++i) {
    if (static_cast<int64_t>(selected.size()) >= limits.most) break;
    if (kept.suppresses(boxes[i], limits.overlap)) continue;
    kept.add(boxes[i]);
    selected.push_back(order[i]);
  }
  return selected;
}

Limits limits_of(const KernelRun& run) {
  const auto given = [&](size_t i) { return run.has_input(i) && run.input(i).count() > 0; };
  Limits limits;
  if (given(2)) limits.most = *run.input(2).as<const int64_t>();
  if (given(3)) limits.overlap = *run.input(3).as<const float>();
  limits.has_score = given(4);
  if (limits.has_score) limits.score = *run.input(4).as<const float>();
  return limits;
}

class NonMaxSuppressionKernel : public Kernel {
 public:
  explicit NonMaxSuppressionKernel(bool centred) : centred_(centred) {}

  Status run(KernelRun& run) const override {
    const Shape& boxes = *run.input(0).shape;
    const Shape& scores = *run.input(1).shape;
    PENSTOCK_RETURN_IF_ERROR(check_boxes_and_scores(boxes, scores));
    const int64_t count = boxes[1];
    const int64_t classes = scores[1];
    const Limits limits = limits_of(run);
    std::vector<std::vector<int64_t>> selected(boxes[0] * classes);
    backends::team_of(run.stream())
        .parallel_for(static_cast<int64_t>(selected.size()), 1, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            selected[i] =
                select(run.input(0).as<const float>() + i / classes * count * 4,
                       run.input(1).as<const float>() + i * count, count, centred_, limits);
          }
        });
    int64_t total = 0;
    for (const std::vector<int64_t>& of_class : selected) {
      total += static_cast<int64_t>(of_class.size());
    }
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {total, 3}));
    int64_t* out = y.as<int64_t>();
    for (size_t i = 0; i < selected.size(); ++i) {
      for (int64_t box : selected[i]) {
        *out++ = static_cast<int64_t>(i) / classes;
        *out++ = static_cast<int64_t>(i) % classes;
        *out++ = box;
      }
    }
    return Status::ok();
  }

 private:
  bool centred_;
};

class NonMaxSuppressionTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.non_max_suppression"; }
  bool finds_output_shapes() const override { return true; }
  Offer offer(const NodeFacts& node) const override {
    for (size_t i : {0, 1, 3, 4}) {
      if (node.has_input(i) && node.inputs[i].dtype != DataType::kFloat32) {
        return Offer::refuse("only float32");
      }
    }
    return Offer::plain(node);
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return std::unique_ptr<Kernel>(std::make_unique<NonMaxSuppressionKernel>(
        node.attributes.get_int("center_point_box") != 0));
  }
};

}  // namespace

const backends::Tactic& simd_non_max_suppression() {
  static const NonMaxSuppressionTactic kTactic;
  return kTactic;
}

TacticList vision_simd_tactics() {
  return {{"NonMaxSuppression", &simd_non_max_suppression()}, {"RoiAlign", &simd_roi_align()}};
}

}  // namespace penstock::ops
