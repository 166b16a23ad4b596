// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/rows.h"
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

// Softmax or its logarithm along the middle axis of [outer, extent, inner].
class SoftmaxKernel : public Kernel {
 public:
  SoftmaxKernel(AxisSplit split, bool is_log, int threads)
      : split_(split), is_log_(is_log), threads_(threads) {}

  size_t workspace_bytes() const override {
    return split_.inner == 1 ? 0 : sizeof(float) * threads_ * kTile * split_.extent;
  }

  Status run(KernelRun& run) const override {
    const TensorView& x = run.input(0);
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
    const ThreadTeam& team = backends::team_of(run.stream());
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
  AxisSplit split_;
  bool is_log_;
  int threads_;
};

class SoftmaxTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.softmax"; }

  Offer offer(const NodeFacts& node) const override {
    if (node.inputs[0].dtype != DataType::kFloat32) return Offer::refuse("only float32");
    return Offer::plain(node);
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const Shape& shape = node.inputs[0].shape;
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                              InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                           static_cast<int64_t>(shape.size())));
    return std::unique_ptr<Kernel>(std::make_unique<SoftmaxKernel>(
        split_at(shape, axis), node.op == "LogSoftmax", node.threads));
  }

  bool can_run_in_place(const NodeFacts&, size_t input) const override { return input == 0; }
};

}  // namespace

const backends::Tactic& simd_softmax() {
  static const SoftmaxTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
