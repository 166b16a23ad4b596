// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

namespace penstock::ops {
namespace {

// Gates in ONNX's order z (update), r (reset), h.
class GruCell : public Cell {
 public:
  GruCell(const ir::Attributes& attributes, CellWeights weights)
      : weights_(std::move(weights)),
        linear_before_reset_(attributes.get_int("linear_before_reset") != 0) {}

  void step(const double* x, double* h, double*) override {
    const int64_t n = weights_.hidden;
    const std::vector<double> before(h, h + n);
    std::vector<double> update(n);
    std::vector<double> reset(n);
    std::vector<double> reset_h(n);
    for (int64_t k = 0; k < n; ++k) {
      update[k] = gate(k, x, before);
      reset[k] = gate(n + k, x, before);
      reset_h[k] = reset[k] * before[k];
    }
    for (int64_t k = 0; k < n; ++k) {
      const int64_t row = 2 * n + k;
      const double recurrent = linear_before_reset_
                                   ? reset[k] * weights_.hidden_sum(row, before.data())
                                   : weights_.hidden_sum(row, reset_h.data());
      const double candidate =
          weights_.activations[1](weights_.clipped(weights_.input_sum(row, x) + recurrent));
      h[k] = (1.0 - update[k]) * candidate + update[k] * before[k];
    }
  }

 private:
  double gate(int64_t row, const double* x, const std::vector<double>& h) const {
    return weights_.activations[0](
        weights_.clipped(weights_.input_sum(row, x) + weights_.hidden_sum(row, h.data())));
  }

  CellWeights weights_;
  bool linear_before_reset_;
};

Status infer_gru(InferContext& context) { return infer_recurrent(context, 3, false); }

Status reference_gru(const backends::NodeFacts& node, backends::KernelRun& run) {
  return run_recurrent(
      node, run, 3, {"Sigmoid", "Tanh"}, [](const ir::Attributes& attributes, CellWeights weights) {
        return std::unique_ptr<Cell>(std::make_unique<GruCell>(attributes, std::move(weights)));
      });
}

}  // namespace

const OpDefinition kGru = {.name = "GRU",
                           .min_inputs = 3,
                           .max_inputs = 6,
                           .outputs = 2,
                           .infer = infer_gru,
                           .reference = reference_gru};

}  // namespace penstock::ops
