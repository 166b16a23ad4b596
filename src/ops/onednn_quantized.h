// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backends/cpu/onednn/primitive_kernel.h"
#include "ops/onednn_post_ops.h"
#include "ops/quantized_product.h"

// What QuantizedConv and QuantizedMatMul share on oneDNN: the arithmetic, the steps after the sums,
// and the quantization of the result.
namespace penstock::ops {

// Form::config of products in float32, for processors whose sums of 8-bit products saturate: the
// factors are converted, and the sums are as exact as float32 is.
inline constexpr std::string_view kInFloats = "float32";

// Ok where sums of 8-bit products are exact here. Without VNNI instructions pairs of products are
// summed in 16 bits, which is exact for uint8 times weights of 7 bits.
Status check_exact_sums(const backends::NodeFacts& node);

// The epilogue's steps, and the quantization that ends them.
struct QuantizedSteps {
  PostOps post_ops;
  bool quantizes = false;
  float y_scale = 1.0f;  // what a factor at the end of the steps left of it
  int32_t y_zero_point = 0;

  Status append(const backends::NodeFacts& node, const DescribeOperand& describe_operand);
};

// The operands of one node, as a primitive takes them.
struct QuantizedProblem {
  bool in_floats = false;
  dnnl::memory::desc x, y;           // the node's
  dnnl::memory::desc src, dst;       // the primitive's: in floats, intermediates
  dnnl::memory::desc bias;           // none where the steps add it
  dnnl::memory::desc given_weights;  // as the model has them
  int weights_scale_mask = 0;        // the axes of the weights that have scales of their own
  bool w_is_unsigned = false;        // to be int8 less 128, by a step of its own
  int32_t x_zero_point = 0;
  int32_t w_zero_point = 0;
  std::vector<float> folded_weights;  // in floats, constant weights times their scales
  QuantizedSteps steps;

  dnnl::primitive_attr attributes() const;
  dnnl::memory::desc any_weights() const;
  // Of the weights once they are int8.
  int32_t signed_w_zero_point() const;
};

// Constant weights less their zero point, each times the scale of its channel.
std::vector<float> scaled_weights(const backends::NodeFacts& node,
                                  const std::function<int64_t(int64_t element)>& channel_of);

// The primitive as a kernel, with conversions around it where it computes in floats. Constant
// weights lie as `given_weights`. Throws.
std::unique_ptr<backends::Kernel> quantized_kernel(const backends::NodeFacts& node,
                                                   const QuantizedProblem& problem,
                                                   const dnnl::primitive_desc_base& desc,
                                                   const dnnl::primitive& primitive,
                                                   const dnnl::memory::desc& given_weights);

}  // namespace penstock::ops
