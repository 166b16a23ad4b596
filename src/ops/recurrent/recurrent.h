// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/tactic.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// LSTM, GRU and RNN differ in their cell; everything around it is here. Inputs, as in ONNX:
// X, W, R, B?, sequence_lens?, initial_h?, and for the LSTM initial_c?, P?.
struct RecurrentShape {
  int64_t steps = 0;
  int64_t batch = 0;
  int64_t input_size = 0;
  int64_t hidden = 0;
  int64_t directions = 1;
  bool batch_first = false;  // layout = 1

  Shape y() const;      // [steps, directions, batch, hidden], or [batch, steps, directions, hidden]
  Shape state() const;  // [directions, batch, hidden], or [batch, directions, hidden]
  // Where a row of these tensors (and of X) begins, in elements.
  int64_t x_offset(int64_t step, int64_t item) const;
  int64_t y_offset(int64_t step, int64_t direction, int64_t item) const;
  int64_t state_offset(int64_t direction, int64_t item) const;
};

// An error where the operands contradict each other.
Result<RecurrentShape> recurrent_shape(const ir::Attributes& attributes, const Shape& x,
                                       const Shape& w, const Shape& r, int64_t gates);

// An error where an optional input (bias, lengths, states, peepholes) has the wrong number of
// elements.
Status check_optional_inputs(const std::vector<const Shape*>& inputs, const RecurrentShape& shape,
                             int64_t gates);

// True where direction d of "forward", "reverse" or "bidirectional" walks backwards.
bool runs_backwards(const ir::Attributes& attributes, int64_t direction);

using Activation = std::function<double(double)>;
// The functions of one direction, from attributes activations, activation_alpha and _beta, or the
// operator's defaults.
Result<std::vector<Activation>> activations_of(const ir::Attributes& attributes, int64_t direction,
                                               const std::vector<std::string>& defaults);

// One step of one sequence: x [input_size] and h [hidden] (with c [hidden] for the LSTM) give new
// h and c in place.
struct Cell {
  virtual ~Cell() = default;
  virtual void step(const double* x, double* h, double* c) = 0;
};

// Everything a cell of one direction needs, as doubles.
struct CellWeights {
  int64_t input_size = 0;
  int64_t hidden = 0;
  std::vector<double> w;  // [gates * hidden, input_size]
  std::vector<double> r;  // [gates * hidden, hidden]
  std::vector<double> b;  // [2 * gates * hidden]: of w, then of r
  std::vector<double> p;  // [3 * hidden], LSTM only
  std::vector<Activation> activations;
  double clip = 0.0;  // 0: none

  double clipped(double value) const;
  // Row `row` of w times x, with its bias; of r times h.
  double input_sum(int64_t row, const double* x) const;
  double hidden_sum(int64_t row, const double* h) const;
};

using MakeCell = std::unique_ptr<Cell> (*)(const ir::Attributes&, CellWeights);
// The rule and the reference kernel of an operator with that many gates.
Status infer_recurrent(InferContext& context, int64_t gates, bool has_cell_state);
Status run_recurrent(const backends::NodeFacts& node, backends::KernelRun& run, int64_t gates,
                     const std::vector<std::string>& default_activations, MakeCell make_cell);

extern const OpDefinition kLstm;
extern const OpDefinition kGru;
extern const OpDefinition kRnn;

}  // namespace penstock::ops
