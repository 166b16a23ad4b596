// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The recurrent part of one direction of an ONNX LSTM (opset 14; default activations, no peepholes,
// no clip), given the inputs' share of the gates: for every step
//   gates = inputs[t] + h R^T        i, o, f = sigmoid, c' = tanh of its four parts, in this order
//   c = f * c + i * c'
//   h = o * tanh(c)
// A call runs batch rows [begin, end), which do not depend on each other.

#include <cstddef>
#include <cstdint>

#include "backends/cpu/simd/gemm.h"
#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

struct LstmArgs {
  int64_t steps = 0;
  int64_t hidden = 0;
  const float* inputs = nullptr;  // [steps, batch, 4 * hidden]: X W^T + Wb + Rb, gates i, o, f, c
  int64_t inputs_step_stride = 0;
  int64_t inputs_row_stride = 0;
  const float* packed_r = nullptr;   // lstm_pack_recurrent's
  const float* initial_h = nullptr;  // [batch, hidden] dense, or null for zeros
  const float* initial_c = nullptr;  // the same
  const int32_t* lengths = nullptr;  // [batch], or null: every row has all steps
  bool reverse = false;              // from a row's last step to its first
  float* y = nullptr;                // [steps, batch, hidden], or null; 0 past a row's length
  int64_t y_step_stride = 0;
  int64_t y_row_stride = 0;
  float* final_h = nullptr;  // [batch, hidden] dense, or null: the state after a row's last update
  float* final_c = nullptr;
};

struct LstmKernel {
  const char* name;
  const GemmKernel* gemm;
  void (*run)(const LstmArgs& args, int64_t begin, int64_t end, float* workspace);
};

extern const LstmKernel kLstmBaseline;
extern const LstmKernel kLstmAvx2;
extern const LstmKernel kLstmAvx512;

const LstmKernel& lstm_kernel(Isa isa);

// R[4 * hidden, hidden] as ONNX stores it, to layout gemm_packed_b_f32_nr<nr> of R^T.
size_t lstm_packed_recurrent_floats(const LstmKernel& kernel, int64_t hidden);
void lstm_pack_recurrent(const LstmKernel& kernel, const float* r, int64_t hidden, float* packed);

// Rows for one call that spread `batch` over the threads. Splitting small batches costs bandwidth:
// every call streams all of R at every step.
int64_t lstm_rows_per_call(int64_t batch, int threads);

// Floats of workspace for a call of `rows` rows.
size_t lstm_workspace_floats(int64_t rows, int64_t hidden);

}  // namespace penstock::simd
