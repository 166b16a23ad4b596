// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/rows.h"
#include "ops/narrow_rows.h"
#include "ops/normalization/normalization.h"
#include "ops/normalization/simd_norms.h"
#include "ops/parallel_slots.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

constexpr int64_t kTile = 64;  // columns that are transposed together

// Softmax or its logarithm of float32, or of rows of 16 bits that are widened on their way, along
// the middle axis of [outer, extent, inner].
class SoftmaxKernel : public Kernel {
 public:
  SoftmaxKernel(AxisSplit split, const NodeFacts& node)
      : narrow_(narrow_float(node.inputs[0].dtype)),
        split_(split),
        is_log_(node.op == "LogSoftmax"),
        threads_(node.threads) {}

  size_t workspace_bytes() const override {
    const int64_t rows = split_.inner != 1 ? kTile : narrow_ ? widened_rows(split_.extent) : 0;
    return sizeof(float) * threads_ * rows * split_.extent;
  }

  Status run(KernelRun& run) const override {
    const TensorView& x = run.input(0);
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
    const ThreadTeam& team = backends::team_of(run.stream());
    if (narrow_) {
      run_narrow(team, x.as<const uint16_t>(), y.as<uint16_t>(),
                 static_cast<float*>(run.workspace()));
      return Status::ok();
    }
    const float* from = x.as<const float>();
    float* to = y.as<float>();
    if (split_.inner == 1) {
      const int64_t cols = split_.extent;
      team.parallel_for(split_.outer, rows_per_thread(cols), [&](int64_t begin, int64_t end) {
        rows(from + begin * cols, to + begin * cols, end - begin);
      });
      return Status::ok();
    }
    float* workspace = static_cast<float*>(run.workspace());
    const int64_t tiles = (split_.inner + kTile - 1) / kTile;
    parallel_slots(team, threads_, split_.outer * tiles, 1,
                   [&](int64_t begin, int64_t end, int64_t slot) {
                     float* mine = workspace + slot * kTile * split_.extent;
                     for (int64_t i = begin; i < end; ++i) {
                       tile(from, to, i / tiles, i % tiles * kTile, mine);
                     }
                   });
    return Status::ok();
  }

 private:
  void run_narrow(const ThreadTeam& team, const uint16_t* x, uint16_t* y, float* workspace) const {
    const int64_t cols = split_.extent;
    const int64_t together = widened_rows(cols);
    const int64_t grain = std::max<int64_t>(1, rows_per_thread(cols) / together);
    parallel_slots(team, threads_, (split_.outer + together - 1) / together, grain,
                   [&](int64_t begin, int64_t end, int64_t slot) {
                     float* wide = workspace + slot * together * cols;
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t count = std::min(together, split_.outer - i * together);
                       const int64_t at = i * together * cols;
                       floats_.widen(*narrow_, x + at, wide, count * cols);
                       rows(wide, wide, count);
                       floats_.narrow(*narrow_, wide, y + at, count * cols);
                     }
                   });
  }

  void rows(const float* x, float* y, int64_t count) const {
    if (is_log_) {
      kernels_.log_softmax(x, y, count, split_.extent);
    } else {
      kernels_.softmax(x, y, count, split_.extent, 1.0f, nullptr, 0);
    }
  }

  // Columns become rows and back.
  void tile(const float* x, float* y, int64_t outer, int64_t column, float* turned) const {
    const int64_t offset = outer * split_.extent * split_.inner + column;
    const int64_t width = std::min(kTile, split_.inner - column);
    kernels_.transpose_32(x + offset, split_.inner, turned, split_.extent, split_.extent, width);
    rows(turned, turned, width);
    kernels_.transpose_32(turned, split_.extent, y + offset, split_.inner, width, split_.extent);
  }

  const simd::RowKernels& kernels_ = simd::row_kernels();
  const simd::NarrowFloatKernels& floats_ = simd::narrow_float_kernels();
  std::optional<simd::NarrowFloat> narrow_;
  AxisSplit split_;
  bool is_log_;
  int threads_;
};

class SoftmaxTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.softmax"; }

  Offer offer(const NodeFacts& node) const override {
    const DataType type = node.inputs[0].dtype;
    if (type == DataType::kFloat32) return Offer::plain(node);
    if (!narrow_float(type)) return Offer::refuse("only floats");
    const Result<AxisSplit> split = axis_of(node);
    if (!split.is_ok()) return Offer::refuse(split.status().message());
    if (split->inner != 1) return Offer::refuse("of 16 bits only along the last axis");
    return Offer::plain(node);
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const AxisSplit split, axis_of(node));
    if (split.inner != 1 && node.inputs[0].dtype != DataType::kFloat32) {
      return Status(StatusCode::kUnsupported, "a softmax of 16 bits is along the last axis");
    }
    return std::unique_ptr<Kernel>(std::make_unique<SoftmaxKernel>(split, node));
  }

  bool can_run_in_place(const NodeFacts&, size_t input) const override { return input == 0; }

 private:
  static Result<AxisSplit> axis_of(const NodeFacts& node) {
    const Shape& shape = node.inputs[0].shape;
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                              InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                           static_cast<int64_t>(shape.size())));
    return split_at(shape, axis);
  }
};

}  // namespace

const backends::Tactic& simd_softmax() {
  static const SoftmaxTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
