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
using backends::Operand;
using backends::TensorView;

// Over float32, or over 16 bits that are widened on their way; scale and bias are float32.
class LayerNormKernel : public Kernel {
 public:
  LayerNormKernel(int64_t rows, int64_t cols, const NodeFacts& node)
      : narrow_(narrow_float(node.inputs[0].dtype)),
        threads_(node.threads),
        rows_(rows),
        cols_(cols),
        epsilon_(node.attributes.get_float("epsilon", 1e-5f)),
        is_rms_(node.op == "RMSNormalization") {}

  size_t workspace_bytes() const override {
    return narrow_ ? static_cast<size_t>(threads_ * thread_floats()) * sizeof(float) : 0;
  }

  Status run(KernelRun& run) const override {
    const Shape& shape = *run.input(0).shape;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    TensorView sum;
    if (run.has_output(1)) {
      PENSTOCK_ASSIGN_OR_RETURN(sum, run.output(1, shape));
    }
    if (narrow_) {
      run_narrow(run, y, sum);
      return Status::ok();
    }
    Pointers p{run.input(0).as<const float>(),
               floats(run, 3),
               run.input(1).as<const float>(),
               floats(run, 2),
               sum.as<float>(),
               y.as<float>()};
    backends::team_of(run.stream())
        .parallel_for(rows_, rows_per_thread(cols_),
                      [&](int64_t begin, int64_t end) { part(p, begin, end - begin); });
    return Status::ok();
  }

 private:
  struct Pointers {
    const float* x;
    const float* residual;
    const float* scale;
    const float* bias;
    float* sum;
    float* y;
  };

  static const float* floats(const KernelRun& run, size_t i) {
    return run.has_input(i) ? run.input(i).as<const float>() : nullptr;
  }

  // Of one thread: the rows widened together, and their residuals.
  int64_t thread_floats() const { return 2 * widened_rows(cols_) * cols_; }

  void run_narrow(const KernelRun& run, const TensorView& y, const TensorView& sum) const {
    const auto* x = run.input(0).as<const uint16_t>();
    const auto* residual = run.has_input(3) ? run.input(3).as<const uint16_t>() : nullptr;
    auto* workspace = static_cast<float*>(run.workspace());
    const int64_t together = widened_rows(cols_);
    const int64_t parts = (rows_ + together - 1) / together;
    const int64_t grain = std::max<int64_t>(1, rows_per_thread(cols_) / together);
    const auto part_of = [&](int64_t part_index, float* wide) {
      float* added = wide + together * cols_;
      const int64_t rows = std::min(together, rows_ - part_index * together);
      const int64_t at = part_index * together * cols_;
      const int64_t n = rows * cols_;
      floats_.widen(*narrow_, x + at, wide, n);
      if (residual != nullptr) floats_.widen(*narrow_, residual + at, added, n);
      const bool has_sum = sum.data != nullptr;
      part({wide, residual != nullptr ? added : nullptr, run.input(1).as<const float>(),
            floats(run, 2), has_sum ? added : nullptr, wide},
           0, rows);
      floats_.narrow(*narrow_, wide, y.as<uint16_t>() + at, n);
      if (has_sum) floats_.narrow(*narrow_, added, sum.as<uint16_t>() + at, n);
    };
    parallel_slots(backends::team_of(run.stream()), threads_, parts, grain,
                   [&](int64_t begin, int64_t end, int64_t slot) {
                     for (int64_t i = begin; i < end; ++i) {
                       part_of(i, workspace + slot * thread_floats());
                     }
                   });
  }

  void part(const Pointers& p, int64_t first, int64_t rows) const {
    const int64_t at = first * cols_;
    if (is_rms_) {
      kernels_.rms_norm(p.x + at, p.scale, epsilon_, p.y + at, rows, cols_);
    } else if (p.residual == nullptr) {
      kernels_.layer_norm(p.x + at, p.scale, p.bias, epsilon_, p.y + at, rows, cols_);
    } else {
      kernels_.add_layer_norm(p.x + at, p.residual + at, p.scale, p.bias, epsilon_,
                              p.sum == nullptr ? nullptr : p.sum + at, p.y + at, rows, cols_);
    }
  }

  const simd::RowKernels& kernels_ = simd::row_kernels();
  const simd::NarrowFloatKernels& floats_ = simd::narrow_float_kernels();
  std::optional<simd::NarrowFloat> narrow_;
  int threads_;
  int64_t rows_;
  int64_t cols_;
  float epsilon_;
  bool is_rms_;
};

// [rows, cols]: everything before the axis, and the rest.
Result<std::pair<int64_t, int64_t>> matrix_of(const NodeFacts& node) {
  const Shape& shape = node.inputs[0].shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                         static_cast<int64_t>(shape.size())));
  const AxisSplit split = split_at(shape, axis);
  return std::pair<int64_t, int64_t>(split.outer, split.extent * split.inner);
}

class LayerNormTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.layer_norm"; }

  Offer offer(const NodeFacts& node) const override {
    const Result<std::pair<int64_t, int64_t>> matrix = matrix_of(node);
    if (!matrix.is_ok()) return Offer::refuse(matrix.status().message());
    const DataType type = node.inputs[0].dtype;
    if (type != DataType::kFloat32 && !narrow_float(type)) return Offer::refuse("only floats");
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      const DataType wanted = i == 3 ? type : DataType::kFloat32;
      if (node.has_input(i) && node.inputs[i].dtype != wanted) {
        return Offer::refuse("scale and bias are float32, the residual is of the type of x");
      }
    }
    for (size_t i = 1; i <= 2; ++i) {
      if (node.has_input(i) && element_count(node.inputs[i].shape) != matrix->second) {
        return Offer::refuse("scale or bias repeats along a row");
      }
    }
    if (node.has_input(3) && node.inputs[3].shape != node.inputs[0].shape) {
      return Offer::refuse("the residual has another shape");
    }
    return Offer::plain(node);
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const auto matrix, matrix_of(node));
    return std::unique_ptr<Kernel>(
        std::make_unique<LayerNormKernel>(matrix.first, matrix.second, node));
  }

  bool can_run_in_place(const NodeFacts&, size_t input) const override { return input == 0; }
};

}  // namespace

const backends::Tactic& simd_layer_norm() {
  static const LayerNormTactic kTactic;
  return kTactic;
}

TacticList normalization_simd_tactics() {
  return {{"Softmax", &simd_softmax()},
          {"LogSoftmax", &simd_softmax()},
          {"LayerNormalization", &simd_layer_norm()},
          {"RMSNormalization", &simd_layer_norm()}};
}

}  // namespace penstock::ops
