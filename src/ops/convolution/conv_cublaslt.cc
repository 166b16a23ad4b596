// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Convolutions of single pixels are matrix products: channels last, the pixels are the rows of one
// matrix, and weights [outputs, channels, 1, 1] are the other, transposed.
#include <algorithm>

#include "backends/cuda/cublaslt.h"
#include "ops/convolution/window.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/epilogue.h"
#include "ops/forms.h"
#include "ops/matmul/matmul_cublaslt.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using ir::Layout;

Status check(const NodeFacts& node) {
  const Shape& x = node.inputs[0].shape;
  const Shape& weights = node.inputs[1].shape;
  if (x.size() != 4) return refuse("takes images");
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            resolve_window(node.attributes, spatial_of(weights), spatial_of(x)));
  const auto all = [](const auto& values, int64_t wanted) {
    return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
  };
  if (!all(spatial_of(weights), 1) || !all(window.strides, 1) || !all(window.pads_begin, 0) ||
      !all(window.pads_end, 0)) {
    return refuse("multiplies single pixels: a kernel of 1, steps of 1, no padding");
  }
  if (weights[1] != x[1]) return refuse("takes one group");
  return check_floats(node);
}

// An operand of the epilogue: one that lies as the result does, or one element.
Status flatten_operand(Operand& operand, const Shape& result, const Shape& rows) {
  if (!operand.present) return Status::ok();
  if (operand.shape == result && operand.layout == Layout::kChannelsLast) {
    operand.shape = rows;
  } else if (element_count(operand.shape) == 1) {
    operand.shape = {};
  } else {
    return refuse("an operand of shape " + to_string(operand.shape) + " in the epilogue");
  }
  operand.layout = Layout::kPlain;
  return Status::ok();
}

// The node as one of MatMul; inputs keep their numbers, which the epilogue names.
Result<NodeFacts> as_product(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check(node));
  const Shape& result = node.outputs[0].shape;
  const int64_t channels = node.inputs[1].shape[1];
  const int64_t outputs = node.inputs[1].shape[0];
  const int64_t pixels = outputs == 0 ? 0 : element_count(result) / outputs;
  const Shape rows = {pixels, outputs};
  NodeFacts product = node;
  product.op = "MatMul";
  product.attributes = {};
  product.attributes.set("trans_b", int64_t{1});
  product.attributes.set("tf32", node.attributes.get_int("tf32"));
  if (const std::string epilogue = node.attributes.get_string("epilogue"); !epilogue.empty()) {
    product.attributes.set("epilogue", epilogue);
  }
  product.inputs[0].shape = {pixels, channels};
  product.inputs[0].layout = Layout::kPlain;
  product.inputs[1].shape = {outputs, channels};
  product.outputs[0].shape = rows;
  product.outputs[0].layout = Layout::kPlain;
  for (size_t i = 3; i < product.inputs.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(flatten_operand(product.inputs[i], result, rows));
  }
  return product;
}

class PixelProduct : public backends::Tactic {
 public:
  std::string_view name() const override { return "cublaslt.conv"; }

  Offer offer(const NodeFacts& node) const override {
    if (!backends::cuda::why_no_cublaslt().empty()) {
      return Offer::refuse(backends::cuda::why_no_cublaslt());
    }
    const Form form = form_with_operands(node, Layout::kChannelsLast, Layout::kChannelsLast, 3);
    const Result<NodeFacts> product = as_product(in_form(node, form));
    if (!product.is_ok()) return Offer::refuse(product.status().message());
    const auto variants = cublaslt_variants(*product);
    if (!variants.is_ok()) return Offer::refuse(variants.status().message());
    Offer offer;
    for (const std::string& variant : *variants) {
      offer.forms.push_back(form);
      offer.forms.back().config = variant;
    }
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const NodeFacts product, as_product(node));
    return bind_cublaslt(product, node.outputs[0].shape);
  }
};

}  // namespace

const backends::Tactic& cublaslt_conv() {
  static const PixelProduct kTactic;
  return kTactic;
}

}  // namespace penstock::ops
