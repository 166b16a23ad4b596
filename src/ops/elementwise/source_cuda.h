// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "backends/tactic.h"
#include "ops/elementwise/cuda_expression.h"

namespace penstock::ops {

inline constexpr int kMostGeneratedInputs = 12;
inline constexpr int kMostGeneratedAxes = 6;

// Arguments of a generated kernel, laid out as its source declares them.
struct GeneratedArguments {
  long long total = 0;
  int rank = 0;
  int padding = 0;
  long long extents[kMostGeneratedAxes] = {};
  long long strides[kMostGeneratedInputs][kMostGeneratedAxes] = {};
  const void* inputs[kMostGeneratedInputs] = {};
  void* output = nullptr;
};

// Source for NVRTC of kernels that compute an expression for each element of a result.

// Kernels strided32 and strided64, by the type of an index: any strides, an element a thread.
std::string strided_source(const CudaExpression& expression, const backends::NodeFacts& node);

// Kernel flat, of one axis: operands as long as the result, or, where `repeats`, of one element;
// `width` elements a thread, loaded at once.
std::string flat_source(const CudaExpression& expression, const backends::NodeFacts& node,
                        const std::vector<bool>& repeats, int width);

// Kernel rows: the same along the last axis, whose extent is a multiple of `width`, for any strides
// of the others that are multiples too.
std::string rows_source(const CudaExpression& expression, const backends::NodeFacts& node,
                        const std::vector<bool>& repeats, int width);

}  // namespace penstock::ops
