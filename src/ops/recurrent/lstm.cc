// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

namespace penstock::ops {
namespace {

// Gates in ONNX's order i, o, f, c; peepholes in the order i, o, f.
class LstmCell : public Cell {
 public:
  LstmCell(const ir::Attributes& attributes, CellWeights weights)
      : weights_(std::move(weights)), input_forget_(attributes.get_int("input_forget") != 0) {}

  void step(const double* x, double* h, double* c) override {
    const int64_t n = weights_.hidden;
    const std::vector<double> h_before(h, h + n);
    for (int64_t k = 0; k < n; ++k) {
      auto gate = [&](int64_t row, double peep) {
        return weights_.clipped(weights_.input_sum(row * n + k, x) +
                                weights_.hidden_sum(row * n + k, h_before.data()) + peep);
      };
      const Activation& f = weights_.activations[0];
      const double input = f(gate(0, weights_.p[k] * c[k]));
      const double forget = input_forget_ ? 1.0 - input : f(gate(2, weights_.p[2 * n + k] * c[k]));
      const double candidate = weights_.activations[1](gate(3, 0.0));
      c[k] = forget * c[k] + input * candidate;
      const double output = f(gate(1, weights_.p[n + k] * c[k]));
      h[k] = output * weights_.activations[2](c[k]);
    }
  }

 private:
  CellWeights weights_;
  bool input_forget_;
};

Status infer_lstm(InferContext& context) { return infer_recurrent(context, 4, true); }

Status reference_lstm(const backends::NodeFacts& node, backends::KernelRun& run) {
  return run_recurrent(
      node, run, 4, {"Sigmoid", "Tanh", "Tanh"},
      [](const ir::Attributes& attributes, CellWeights weights) {
        return std::unique_ptr<Cell>(std::make_unique<LstmCell>(attributes, std::move(weights)));
      });
}

}  // namespace

const OpDefinition kLstm = {.name = "LSTM",
                            .min_inputs = 3,
                            .max_inputs = 8,
                            .outputs = 3,
                            .infer = infer_lstm,
                            .reference = reference_lstm};

}  // namespace penstock::ops
