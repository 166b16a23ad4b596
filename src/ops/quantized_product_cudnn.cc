// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Products of int8 elements as cuDNN graphs, which scale, add, activate and quantize in the
// convolution's own kernel. A matrix product is a convolution of single pixels.
#include <algorithm>
#include <charconv>

#include "ops/convolution/window.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/epilogue_cudnn.h"
#include "ops/forms.h"
#include "ops/quantized_product.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::cuda::CudnnConvolution;
using backends::cuda::CudnnGraph;
using backends::cuda::CudnnQuantization;
using backends::cuda::CudnnTensor;
using ir::Layout;

// Name of the packed form of weights: the result's channels outermost, x's innermost.
constexpr std::string_view kChannelsInnermost = "krsc";
constexpr int kMostEngines = 4;

bool is_conv(const NodeFacts& node) { return node.op == "QuantizedConv"; }

// [batch, channels, height, width], channels last.
CudnnTensor describe(DataType dtype, Shape shape) {
  const int64_t c = shape[1];
  const Shape strides = {c * shape[2] * shape[3], 1, c * shape[3], c};
  return {dtype, std::move(shape), strides};
}

struct Problem {
  CudnnConvolution graph;
  int residual = -1;
};

Status set_conv(const NodeFacts& node, CudnnConvolution& graph) {
  const Shape& x = node.inputs[0].shape;
  const Shape& w = node.inputs[1].shape;
  if (x.size() != 4) return refuse("takes images");
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            resolve_window(node.attributes, spatial_of(w), spatial_of(x)));
  graph.x = describe(DataType::kInt8, x);
  graph.w = describe(DataType::kInt8, w);
  graph.y = describe(node.outputs[0].dtype, node.outputs[0].shape);
  graph.strides = window.strides;
  graph.dilations = window.dilations;
  graph.pads_begin = window.pads_begin;
  graph.pads_end = window.pads_end;
  return Status::ok();
}

Status set_matmul(const NodeFacts& node, CudnnConvolution& graph) {
  const Shape& x = node.inputs[0].shape;
  const Shape& w = node.inputs[1].shape;
  if (w.size() != 2 || x.empty()) return refuse("multiplies rows by one matrix");
  if (node.attributes.get_int("trans_a") != 0 && x.size() > 1) return refuse("x is transposed");
  const bool transposed = node.attributes.get_int("trans_b") != 0;
  const int64_t inner = transposed ? w[1] : w[0];
  const int64_t outputs = transposed ? w[0] : w[1];
  const int64_t rows = inner == 0 ? 0 : element_count(x) / inner;
  graph.x = describe(DataType::kInt8, {1, inner, rows, 1});
  graph.w = describe(DataType::kInt8, {outputs, inner, 1, 1});
  graph.y = describe(node.outputs[0].dtype, {1, outputs, rows, 1});
  graph.strides = graph.dilations = {1, 1};
  graph.pads_begin = graph.pads_end = {0, 0};
  return Status::ok();
}

// An addition of a tensor that lies as the result does, then an activation.
Status set_epilogue(const NodeFacts& node, Problem& problem) {
  PENSTOCK_ASSIGN_OR_RETURN(const Epilogue steps,
                            parse_epilogue(node.attributes.get_string("epilogue")));
  CudnnConvolution& graph = problem.graph;
  size_t done = 0;
  if (done < steps.size() && steps[done].kind == EpilogueStep::Kind::kAdd) {
    const EpilogueStep& step = steps[done++];
    if (step.input < 0 || !node.has_input(static_cast<size_t>(step.input))) {
      return refuse("the epilogue's operand is missing");
    }
    const Operand& operand = node.inputs[static_cast<size_t>(step.input)];
    const Operand& y = node.outputs[0];
    const bool is_int8 = operand.dtype == DataType::kInt8 && step.is_dequantized() && step.b == 0;
    if (operand.shape != y.shape || operand.layout != y.layout ||
        (!is_int8 && !is_device_float(operand.dtype))) {
      return refuse("adds a tensor of the result's shape and layout, floating or int8");
    }
    graph.epilogue.has_residual = true;
    graph.quantization->residual = operand.dtype;
    graph.quantization->residual_scale = step.a;
    problem.residual = step.input;
  }
  if (done < steps.size() && take_activation(steps[done], graph.epilogue)) ++done;
  if (done != steps.size()) return refuse("an epilogue that cuDNN does not fuse");
  return Status::ok();
}

// One number for each of the result's channels, or, of scales, one for all.
Status check_terms(const NodeFacts& node, int64_t channels, CudnnQuantization& quantization) {
  const int64_t scales = element_count(node.inputs[kProductScale].shape);
  quantization.has_scale_for_each = scales == channels;
  if (scales != channels && scales != 1) return refuse("scales for other than channels");
  if (!node.has_input(kProductBias)) return Status::ok();
  const Shape& bias = node.inputs[kProductBias].shape;
  if (element_count(bias) == channels && !bias.empty() && bias.back() == channels) {
    return Status::ok();
  }
  return refuse("a bias that is none of channels");
}

Result<Problem> make_problem(const NodeFacts& node) {
  const ProductResult result = product_result(node.attributes);
  if (node.inputs[0].dtype != DataType::kInt8 || node.inputs[1].dtype != DataType::kInt8 ||
      node.attributes.get_int("x_zero_point") != 0 ||
      node.attributes.get_int("w_zero_point") != 0) {
    return refuse("multiplies int8 without zero points");
  }
  if (!node.has_input(kProductScale)) return refuse("there are no scales");
  for (size_t i : {kProductBias, kProductScale}) {
    if (node.has_input(i) && node.inputs[i].dtype != DataType::kFloat32) {
      return refuse("takes biases and scales of type float32");
    }
  }
  if (result.dtype != node.outputs[0].dtype ||
      (result.dtype != DataType::kInt8 && !is_device_float(result.dtype))) {
    return refuse("gives no " + std::string(to_string(result.dtype)));
  }
  if (result.dtype == DataType::kInt8 && result.zero_point != 0) {
    return refuse("quantizes without a zero point");
  }
  Problem problem;
  problem.graph.quantization.emplace();
  problem.graph.quantization->y_scale = result.scale;
  PENSTOCK_RETURN_IF_ERROR(is_conv(node) ? set_conv(node, problem.graph)
                                         : set_matmul(node, problem.graph));
  const int64_t channels = problem.graph.y.shape[1];
  if (element_count(problem.graph.y.shape) == 0 || element_count(problem.graph.x.shape) == 0) {
    return refuse("an empty product");
  }
  PENSTOCK_RETURN_IF_ERROR(check_terms(node, channels, *problem.graph.quantization));
  problem.graph.epilogue.has_bias = node.has_input(kProductBias);
  PENSTOCK_RETURN_IF_ERROR(set_epilogue(node, problem));
  return problem;
}

// Weights in the order of kChannelsInnermost.
ir::ConstantRef channels_innermost(const NodeFacts& node, const Shape& shape) {
  ir::ConstantRef packed = ir::make_constant(DataType::kInt8, shape, nullptr);
  auto* to = const_cast<int8_t*>(reinterpret_cast<const int8_t*>(packed->data));
  const auto* from = static_cast<const int8_t*>(node.inputs[1].data);
  const int64_t area = shape[2] * shape[3];
  const bool columns_last = !is_conv(node) && node.attributes.get_int("trans_b") == 0;
  const int64_t outer = columns_last ? 1 : shape[1] * area;
  const int64_t inner = columns_last ? shape[0] : area;
  for (int64_t k = 0; k < shape[0]; ++k) {
    for (int64_t at = 0; at < area; ++at) {
      for (int64_t c = 0; c < shape[1]; ++c) *to++ = from[k * outer + c * inner + at];
    }
  }
  return packed;
}

class QuantizedTactic : public backends::Tactic {
 public:
  explicit QuantizedTactic(std::string name) : name_(std::move(name)) {}

  std::string_view name() const override { return name_; }

  // A form for each engine that the heuristics propose; config is its number.
  Offer offer(const NodeFacts& node) const override {
    if (!backends::cuda::why_no_cudnn().empty()) {
      return Offer::refuse(backends::cuda::why_no_cudnn());
    }
    if (node.inputs[1].data == nullptr) return Offer::refuse("weights are known at the run only");
    if (is_conv(node) && node.inputs[0].shape.size() != 4) return Offer::refuse("takes images");
    const Layout layout = is_conv(node) ? Layout::kChannelsLast : Layout::kPlain;
    Form form = form_with_operands(node, layout, layout, kProductOperands);
    const Result<Problem> problem = make_problem(in_form(node, form));
    if (!problem.is_ok()) return Offer::refuse(problem.status().message());
    const auto graph = CudnnGraph::create(problem->graph);
    if (!graph.is_ok()) return Offer::refuse(graph.status().message());
    Offer offer;
    for (int i = 0; i < std::min(kMostEngines, (*graph)->engine_count()); ++i) {
      form.config = std::to_string(i);
      offer.forms.push_back(form);
    }
    if (offer.forms.empty()) offer.refusal = "cuDNN proposes no engine";
    return offer;
  }

  Result<std::vector<backends::PackedConstant>> pack(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    return std::vector<backends::PackedConstant>{
        {1, channels_innermost(node, problem.graph.w.shape), std::string(kChannelsInnermost)}};
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(node));
    if (node.inputs[1].format != kChannelsInnermost) {
      return Status(StatusCode::kInvalidPlan,
                    "weights in format '" + node.inputs[1].format + "': not that of this tactic");
    }
    int wanted = 0;
    std::from_chars(node.config.data(), node.config.data() + node.config.size(), wanted);
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudnnGraph> graph,
                              CudnnGraph::prepared(problem.graph, wanted, kMostEngines));
    return make_cudnn_kernel(std::move(graph), problem.graph.epilogue, problem.residual, {},
                             node.outputs[0].shape, kProductScale);
  }

 private:
  std::string name_;
};

}  // namespace

const backends::Tactic& cudnn_quantized_conv() {
  static const QuantizedTactic kTactic("cudnn.quantized_conv");
  return kTactic;
}

const backends::Tactic& cudnn_quantized_matmul() {
  static const QuantizedTactic kTactic("cudnn.quantized_matmul");
  return kTactic;
}

}  // namespace penstock::ops
