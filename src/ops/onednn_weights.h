// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "backends/cpu/onednn/primitive_kernel.h"

// What convolutions and matrix products share: a source (input 0), weights (input 1) that oneDNN
// may want packed, and perhaps a bias (input 2).
namespace penstock::ops {

// The type that a product's factors have and oneDNN multiplies: float32, or floats of 16 bits where
// the processor has instructions for them. Other operands and the result are float32 or of that
// type.
Result<dnnl::memory::data_type> product_type(const backends::NodeFacts& node);

// How a bias of one element a channel lies.
dnnl::memory::desc bias_desc(const backends::Operand& bias, const Shape& shape);

// Constant weights that lie as `given`, moved to where they lie as `wanted`; nothing where they
// lie so already or the form has no name. Throws.
std::vector<backends::PackedConstant> pack_weights(const backends::NodeFacts& node,
                                                   const dnnl::memory::desc& given,
                                                   const dnnl::memory::desc& wanted);

// How weights lie: as the model has them where they were not packed.
Result<dnnl::memory::desc> weights_as_given(const backends::NodeFacts& node,
                                            const dnnl::memory::desc& plain);

// The primitive as a kernel. `arguments` are those of its post-operations. Throws.
std::unique_ptr<backends::Kernel> weighted_kernel(
    const backends::NodeFacts& node, const dnnl::primitive_desc_base& desc,
    const dnnl::primitive& primitive, const dnnl::memory::desc& given_weights,
    std::vector<backends::onednn::Argument> arguments = {});

}  // namespace penstock::ops
