// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "backends/cpu/cpu_stream.h"
#include "ops/vision/roi_align.h"
#include "ops/vision/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

// A sampled point along one axis: two pixels and their weights.
struct Point {
  int64_t low;
  int64_t high;
  float low_weight;
  float high_weight;
};

// The points of all bins along one axis, those outside of the input left out.
class Axis {
 public:
  void place(const RoiBins& bins, int64_t count, int64_t extent, double weight) {
    points_.clear();
    ends_.clear();
    first_ = extent;
    last_ = -1;
    for (int64_t bin = 0; bin < count; ++bin) {
      for (int64_t i = 0; i < bins.samples; ++i) {
        const RoiNeighbours near(bins.point(bin, i), extent);
        if (near.low_weight == 0.0 && near.high_weight == 0.0) continue;
        points_.push_back({near.low, near.high, static_cast<float>(near.low_weight * weight),
                           static_cast<float>(near.high_weight * weight)});
        first_ = std::min(first_, near.low);
        last_ = std::max(last_, near.high);
      }
      ends_.push_back(points_.size());
    }
  }
  const Point* begin(int64_t bin) const {
    return points_.data() + (bin == 0 ? 0 : ends_[static_cast<size_t>(bin - 1)]);
  }
  const Point* end(int64_t bin) const { return points_.data() + ends_[static_cast<size_t>(bin)]; }
  // The pixels in use: [first, last].
  int64_t first() const { return first_; }
  int64_t last() const { return last_; }

 private:
  std::vector<Point> points_;
  std::vector<size_t> ends_;
  int64_t first_ = 0;
  int64_t last_ = -1;
};

// The interpolation is a product of one along each axis: rows of pixels are added up first, which
// serves all bins of a row and runs along memory.
class RegionPooler {
 public:
  RegionPooler(const RoiAlignOptions& options, int64_t height, int64_t width)
      : options_(options), height_(height), width_(width), row_(static_cast<size_t>(width)) {}

  void place(const float* roi) {
    const RoiBins across = options_.across(roi[0], roi[2]);
    const RoiBins down = options_.down(roi[1], roi[3]);
    const int64_t samples = std::max<int64_t>(across.samples * down.samples, 1);
    across_.place(across, options_.columns, width_, 1.0);
    down_.place(down, options_.rows, height_, 1.0 / static_cast<double>(samples));
  }

  void pool(const float* plane, float* out) {
    for (int64_t r = 0; r < options_.rows; ++r) {
      add_rows(plane, r);
      for (int64_t c = 0; c < options_.columns; ++c) {
        float sum = 0.0f;
        for (const Point* p = across_.begin(c); p != across_.end(c); ++p) {
          sum += p->low_weight * row_[p->low] + p->high_weight * row_[p->high];
        }
        *out++ = sum;
      }
    }
  }

 private:
  void add_rows(const float* plane, int64_t r) {
    const int64_t first = across_.first();
    const int64_t count = across_.last() - first + 1;
    if (count <= 0) return;
    float* sums = row_.data() + first;
    std::fill_n(sums, count, 0.0f);
    for (const Point* p = down_.begin(r); p != down_.end(r); ++p) {
      const float* low = plane + p->low * width_ + first;
      const float* high = plane + p->high * width_ + first;
      for (int64_t i = 0; i < count; ++i) {
        sums[i] += p->low_weight * low[i] + p->high_weight * high[i];
      }
    }
  }

  const RoiAlignOptions& options_;
  int64_t height_;
  int64_t width_;
  Axis across_;
  Axis down_;
  std::vector<float> row_;
};

class RoiAlignKernel : public Kernel {
 public:
  explicit RoiAlignKernel(const ir::Attributes& attributes) : options_(attributes) {}

  Status run(KernelRun& run) const override {
    const Shape& x = *run.input(0).shape;
    const Shape& rois = *run.input(1).shape;
    PENSTOCK_RETURN_IF_ERROR(check_roi_shapes(x, rois, run.input(2).count()));
    const auto* regions = run.input(1).as<const float>();
    const auto* items = run.input(2).as<const int64_t>();
    for (int64_t r = 0; r < rois[0]; ++r) {
      PENSTOCK_RETURN_IF_ERROR(
          check_region(static_cast<size_t>(r), regions + r * 4, items[r], x[0]));
      PENSTOCK_RETURN_IF_ERROR(
          check_samples(static_cast<size_t>(r), options_.across(regions[r * 4], regions[r * 4 + 2]),
                        options_.down(regions[r * 4 + 1], regions[r * 4 + 3])));
    }
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y,
                              run.output(0, {rois[0], x[1], options_.rows, options_.columns}));
    backends::team_of(run.stream()).parallel_for(rois[0], 1, [&](int64_t begin, int64_t end) {
      RegionPooler pooler(options_, x[2], x[3]);
      for (int64_t r = begin; r < end; ++r) {
        pooler.place(regions + r * 4);
        const float* planes = run.input(0).as<const float>() + items[r] * x[1] * x[2] * x[3];
        float* out = y.as<float>() + r * x[1] * options_.rows * options_.columns;
        for (int64_t c = 0; c < x[1]; ++c) {
          pooler.pool(planes + c * x[2] * x[3], out + c * options_.rows * options_.columns);
        }
      }
    });
    return Status::ok();
  }

 private:
  RoiAlignOptions options_;
};

class RoiAlignTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.roi_align"; }
  bool finds_output_shapes() const override { return true; }
  Offer offer(const NodeFacts& node) const override {
    for (size_t i : {0, 1}) {
      if (node.inputs[i].dtype != DataType::kFloat32) return Offer::refuse("only float32");
    }
    if (node.inputs[2].dtype != DataType::kInt64) return Offer::refuse("only int64 indices");
    if (node.attributes.get_string("mode", "avg") != "avg") return Offer::refuse("only averages");
    if (node.attributes.get_int("sampling_ratio", 0) > 64) {
      return Offer::refuse("no more than 64 points in a bin");
    }
    return Offer::plain(node);
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return std::unique_ptr<Kernel>(std::make_unique<RoiAlignKernel>(node.attributes));
  }
};

}  // namespace

const backends::Tactic& simd_roi_align() {
  static const RoiAlignTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
