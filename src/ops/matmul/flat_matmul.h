// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/matmul/geometry.h"

namespace penstock::ops {

// A MatMul node with as few batch axes as can be: rows of all batch items are rows of one matrix
// where b is the same for all of them and every operand allows it.
struct FlatMatMul {
  int64_t m = 1, n = 1, k = 1;
  Shape batch;
  std::vector<int64_t> a_batch_strides, b_batch_strides;  // 0 where the matrix repeats
  int64_t a_row = 0, a_column = 0;
  int64_t b_row = 0, b_column = 0;
  bool trans_a = false, trans_b = false;
  float alpha = 1.0f;
  Shape result;  // batch, m, n: axes that the node's result lacks have one element

  // The shape of an operand of the node (bias, epilogue) seen in the rank of `result`; an error
  // where it does not fit the flattening.
  Result<Shape> operand_shape(const Shape& operand) const;

  // An operand with an axis for each of the batch and two for its matrices, as libraries of
  // primitives take it. An axis along which matrices repeat has one element.
  struct Matrices {
    Shape shape;
    std::vector<int64_t> strides;
  };
  Matrices a_matrices() const;
  Matrices b_matrices() const;

  // kUnsupported for a product that those libraries do not have: one of no elements, or of more
  // than four batch axes.
  Status check_primitive() const;
  // Whether b is one matrix, known at build time, and a is as it lies in memory.
  bool has_constant_weights(const backends::NodeFacts& node) const;

  // The result before flattening, with m and n present.
  Shape full_result;
  bool a_is_vector = false, b_is_vector = false;
};

Result<FlatMatMul> flatten_matmul(const backends::NodeFacts& node);

}  // namespace penstock::ops
