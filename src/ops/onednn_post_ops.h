// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/epilogue.h"

namespace penstock::ops {

// A node's epilogue in oneDNN's terms: the attributes of a primitive, and the arguments for its
// binary post-operations.
struct PostOps {
  dnnl::post_ops ops;
  std::vector<backends::onednn::Argument> arguments;

  // x -> x + operand, with the operand's memory described in the result's rank.
  void add_binary(dnnl::algorithm algorithm, size_t input, const dnnl::memory::desc& operand);
  dnnl::primitive_attr attributes() const;
};

// Appends a step that has no operand; not `round`.
void append_activation(const EpilogueStep& step, PostOps& post_ops);

// How input i lies in memory, with the result's rank, extents of 1 where it repeats.
using DescribeOperand = std::function<Result<dnnl::memory::desc>(size_t input)>;

// Whether oneDNN adds and multiplies by operand i: one of float32, or of 16 bits where the
// processor has instructions for them.
bool is_post_operand(const backends::NodeFacts& node, size_t i);

// Appends the steps of attribute "epilogue".
Status append_epilogue(const backends::NodeFacts& node, const DescribeOperand& describe_operand,
                       PostOps& post_ops);

// Extents with ones in front, up to `rank`.
Shape with_leading_ones(const Shape& shape, size_t rank);

}  // namespace penstock::ops
