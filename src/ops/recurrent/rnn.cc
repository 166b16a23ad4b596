// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

namespace penstock::ops {
namespace {

class RnnCell : public Cell {
 public:
  explicit RnnCell(CellWeights weights) : weights_(std::move(weights)) {}

  void step(const double* x, double* h, double*) override {
    const std::vector<double> before(h, h + weights_.hidden);
    for (int64_t k = 0; k < weights_.hidden; ++k) {
      h[k] = weights_.activations[0](
          weights_.clipped(weights_.input_sum(k, x) + weights_.hidden_sum(k, before.data())));
    }
  }

 private:
  CellWeights weights_;
};

Status infer_rnn(InferContext& context) { return infer_recurrent(context, 1, false); }

Status reference_rnn(const backends::NodeFacts& node, backends::KernelRun& run) {
  return run_recurrent(node, run, 1, {"Tanh"}, [](const ir::Attributes&, CellWeights weights) {
    return std::unique_ptr<Cell>(std::make_unique<RnnCell>(std::move(weights)));
  });
}

}  // namespace

const OpDefinition kRnn = {.name = "RNN",
                           .min_inputs = 3,
                           .max_inputs = 6,
                           .outputs = 2,
                           .infer = infer_rnn,
                           .reference = reference_rnn};

}  // namespace penstock::ops
