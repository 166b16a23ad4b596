// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// What pointwise.cc, which walks the tensors, hands to the kernels, which work on one block.

#include "backends/cpu/simd/pointwise.h"

namespace penstock::simd {

// How far past n elements a fetch may write.
constexpr int kPointwiseSlack = 16;

struct PointwiseBlock {
  const PointwiseProgram* program;
  int n;                                     // elements, at most kPointwiseBlock
  const float* inputs[kMaxPointwiseInputs];  // n elements, or 1 where splat
  bool splat[kMaxPointwiseInputs];
  void* outputs[kMaxPointwiseOutputs];
  PointwiseType output_types[kMaxPointwiseOutputs];
  // The instruction that writes straight into the output, or -1: the store copies a register.
  int direct[kMaxPointwiseOutputs];
  float* registers;  // kMaxPointwiseRegisters blocks
};

// n consecutive output elements from `start` on, fetched from a strided input into a contiguous
// float block. coords are the coordinates of `start`.
struct PointwiseFetch {
  const void* data;
  PointwiseType type;
  int rank;
  const int64_t* dims;
  const int64_t* strides;
  const int64_t* coords;
  int n;
};

struct PointwiseKernels {
  void (*run_block)(const PointwiseBlock& block);
  void (*fetch)(const PointwiseFetch& request, float* target);
};

const PointwiseKernels& pointwise_kernels_baseline();
const PointwiseKernels& pointwise_kernels_avx2();
const PointwiseKernels& pointwise_kernels_avx512();

}  // namespace penstock::simd
