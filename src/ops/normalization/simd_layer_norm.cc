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
using backends::Operand;
using backends::TensorView;

class LayerNormKernel : public Kernel {
 public:
  LayerNormKernel(int64_t rows, int64_t cols, float epsilon, bool is_rms)
      : rows_(rows), cols_(cols), epsilon_(epsilon), is_rms_(is_rms) {}

  Status run(KernelRun& run) const override {
    const Shape& shape = *run.input(0).shape;
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
    TensorView sum;
    if (run.has_output(1)) {
      PENSTOCK_ASSIGN_OR_RETURN(sum, run.output(1, shape));
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
    for (const Operand& operand : node.inputs) {
      if (operand.present && operand.dtype != DataType::kFloat32) {
        return Offer::refuse("only float32");
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
    return std::unique_ptr<Kernel>(std::make_unique<LayerNormKernel>(
        matrix.first, matrix.second, node.attributes.get_float("epsilon", 1e-5f),
        node.op == "RMSNormalization"));
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
