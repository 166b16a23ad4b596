// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/elementwise/pointwise_program.h"

namespace penstock::ops {

// What one element of an elementwise node's result is, in CUDA C++.
struct CudaExpression {
  std::vector<int> inputs;  // the node's inputs that v0, v1, ... are elements of
  std::string statements;   // "const T t0 = v0 + v1;\n"
  std::string result;       // an expression of the output's type, as computed with
  std::string compute;      // what T is: the type that arithmetic happens in
};

// Or the reason why the device has no kernel for the node.
Result<CudaExpression> cuda_expression(const backends::NodeFacts& node);

// "float", "long long", ...: what a stored element of the type is read into. Empty for types that
// the device does not compute with.
std::string cuda_compute_type(DataType type);
// The type of the element in memory.
std::string cuda_storage_type(DataType type);

}  // namespace penstock::ops
