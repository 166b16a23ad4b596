// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cstring>

#include "backends/cuda/cudnn_graph.h"
#include "backends/cuda/generated_kernel.h"
#include "ops/convolution/window.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/elementwise/generated_cuda.h"
#include "ops/epilogue_cudnn.h"
#include "ops/forms.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::cuda::CudnnConvolution;
using backends::cuda::CudnnGraph;
using backends::cuda::CudnnTensor;
using ir::Layout;

// Name of the packed form of weights: channels innermost, as a channels-last convolution reads
// them.
constexpr std::string_view kChannelsInnermost = "krsc";
constexpr int kMostEngines = 4;

// Form::config: whether factors are rounded to TF32, how much of the node is one cuDNN graph, and
// the engine's number.
struct Variant {
  bool tf32 = false;
  bool fused = true;
  int engine = 0;

  std::string text() const {
    return (tf32 ? "tf32:" : "") + std::string(fused ? "fused:" : "alone:") +
           std::to_string(engine);
  }
  static Variant parse(std::string_view text) {
    Variant variant;
    variant.tf32 = text.substr(0, 5) == "tf32:";
    if (variant.tf32) text.remove_prefix(5);
    variant.fused = text.substr(0, 6) != "alone:";
    if (text.size() > 6)
      std::from_chars(text.data() + 6, text.data() + text.size(), variant.engine);
    return variant;
  }
};

// A one-dimensional convolution is one over images of height 1.
Shape with_height(Shape shape) {
  if (shape.size() == 3) shape.insert(shape.begin() + 2, 1);
  return shape;
}

std::vector<int64_t> with_height(std::vector<int64_t> values, size_t rank, int64_t value) {
  if (rank == 1) values.insert(values.begin(), value);
  return values;
}

CudnnTensor describe(DataType dtype, const Shape& given, bool channels_last) {
  CudnnTensor tensor{dtype, with_height(given), {}};
  const Shape& shape = tensor.shape;
  tensor.strides.assign(shape.size(), 1);
  int64_t step = channels_last ? shape[1] : 1;
  for (size_t axis = shape.size(); axis-- > 2;) {
    tensor.strides[axis] = step;
    step *= shape[axis];
  }
  tensor.strides[1] = channels_last ? 1 : step;
  tensor.strides[0] = channels_last ? step : step * shape[1];
  return tensor;
}

// The node as a cuDNN graph, and what of its epilogue comes after it.
struct Problem {
  CudnnConvolution graph;
  int residual = -1;
  Epilogue rest;
};

Status check(const NodeFacts& node) {
  const size_t rank = node.inputs[0].shape.size();
  if (rank < 3 || rank > 5) return {StatusCode::kUnsupported, "takes one to three spatial axes"};
  for (size_t i = 0; i < std::min<size_t>(3, node.inputs.size()); ++i) {
    if (node.has_input(i) && node.inputs[i].dtype != node.outputs[0].dtype) {
      return {StatusCode::kUnsupported, "operands of several types"};
    }
  }
  if (element_count(node.outputs[0].shape) == 0 || element_count(node.inputs[0].shape) == 0) {
    return {StatusCode::kUnsupported, "an empty convolution"};
  }
  return check_floats(node);
}

Result<Problem> make_problem(const NodeFacts& node, bool fused, bool tf32) {
  PENSTOCK_RETURN_IF_ERROR(check(node));
  const Shape& weights = node.inputs[1].shape;
  PENSTOCK_ASSIGN_OR_RETURN(
      const Window window,
      resolve_window(node.attributes, spatial_of(weights), spatial_of(node.inputs[0].shape)));
  Problem problem;
  CudnnConvolution& graph = problem.graph;
  graph.tf32 = tf32;
  const DataType dtype = node.outputs[0].dtype;
  graph.x = describe(dtype, node.inputs[0].shape, node.inputs[0].layout == Layout::kChannelsLast);
  graph.y = describe(dtype, node.outputs[0].shape, node.outputs[0].layout == Layout::kChannelsLast);
  // A form with channels-last operands packs constant weights likewise.
  const bool packed = node.inputs[1].format == kChannelsInnermost;
  graph.w = describe(dtype, weights, packed);
  const size_t rank = window.rank();
  graph.strides = with_height(window.strides, rank, 1);
  graph.dilations = with_height(window.dilations, rank, 1);
  graph.pads_begin = with_height(window.pads_begin, rank, 0);
  graph.pads_end = with_height(window.pads_end, rank, 0);
  PENSTOCK_ASSIGN_OR_RETURN(Epilogue steps, parse_epilogue(node.attributes.get_string("epilogue")));
  if (fused) {
    CudnnFusion fusion = fuse_with_cudnn(node, steps);
    graph.epilogue = fusion.inside;
    graph.epilogue.has_bias = node.has_input(2);
    problem.residual = fusion.residual;
    problem.rest = std::move(fusion.rest);
  } else {
    problem.rest = std::move(steps);
  }
  return problem;
}

// The bias of a convolution that stands alone, as an operand that broadcasts over the result.
NodeFacts with_bias_as_addition(NodeFacts node, Epilogue& rest) {
  if (!node.has_input(2)) return node;
  Shape& bias = node.inputs[2].shape;
  bias.resize(node.outputs[0].shape.size() - 1, 1);
  EpilogueStep add;
  add.kind = EpilogueStep::Kind::kAdd;
  add.input = 2;
  rest.insert(rest.begin(), add);
  return node;
}

class ConvTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "cudnn.conv"; }

  // Forms for each layout, whole or alone, and each engine that the heuristics propose.
  Offer offer(const NodeFacts& node) const override {
    if (!backends::cuda::why_no_cudnn().empty()) {
      return Offer::refuse(backends::cuda::why_no_cudnn());
    }
    if (const Status status = check(node); !status.is_ok()) return Offer::refuse(status.message());
    Offer offer;
    const bool takes_channels_last =
        node.inputs[0].shape.size() == 4 && node.inputs[1].data != nullptr;
    for (const Layout layout : {Layout::kChannelsLast, Layout::kPlain}) {
      if (layout == Layout::kChannelsLast && !takes_channels_last) continue;
      // Tensor cores read channels last: halves in planes would be transposed on the way.
      const bool is_half = node.outputs[0].dtype != DataType::kFloat32;
      if (layout == Layout::kPlain && is_half && takes_channels_last) continue;
      const Form form = form_with_operands(node, layout, layout, 3);
      const bool may_round = !is_half && node.attributes.get_int("tf32") != 0;
      for (const bool tf32 : {false, true}) {
        if (tf32 && !may_round) continue;
        add_engines(node, form, {.tf32 = tf32, .fused = true}, offer);
        add_engines(node, form, {.tf32 = tf32, .fused = false}, offer);
      }
    }
    if (!offer.forms.empty()) offer.refusal.clear();
    return offer;
  }

  Result<std::vector<backends::PackedConstant>> pack(const NodeFacts& node) const override {
    if (node.inputs[0].layout != Layout::kChannelsLast || node.inputs[1].data == nullptr) {
      return std::vector<backends::PackedConstant>();
    }
    return std::vector<backends::PackedConstant>{
        {1, channels_innermost(node.inputs[1]), std::string(kChannelsInnermost)}};
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const Variant variant = Variant::parse(node.config);
    PENSTOCK_ASSIGN_OR_RETURN(Problem problem, make_problem(node, variant.fused, variant.tf32));
    PENSTOCK_ASSIGN_OR_RETURN(
        std::unique_ptr<CudnnGraph> graph,
        CudnnGraph::prepared(problem.graph, variant.engine, 4 * kMostEngines));
    const NodeFacts with_bias = variant.fused ? node : with_bias_as_addition(node, problem.rest);
    PENSTOCK_ASSIGN_OR_RETURN(CudaEpilogue epilogue, CudaEpilogue::bind(with_bias, problem.rest));
    return make_cudnn_kernel(std::move(graph), problem.graph.epilogue, problem.residual,
                             std::move(epilogue), node.outputs[0].shape);
  }

 private:
  static void add_engines(const NodeFacts& node, const Form& form, Variant variant, Offer& offer) {
    NodeFacts formed = in_form(node, form);
    if (form.inputs[0] == Layout::kChannelsLast) formed.inputs[1].format = kChannelsInnermost;
    const Result<Problem> problem = make_problem(formed, variant.fused, variant.tf32);
    if (!problem.is_ok()) {
      offer.refusal = problem.status().message();
      return;
    }
    const bool has_epilogue = !problem->rest.empty() || (!variant.fused && node.has_input(2));
    if (!variant.fused && !has_epilogue) return;  // the same as fused
    if (has_epilogue && !backends::cuda::why_no_nvrtc().empty()) {
      offer.refusal = "the epilogue needs NVRTC: " + backends::cuda::why_no_nvrtc();
      return;
    }
    const auto graph = CudnnGraph::create(problem->graph);
    if (!graph.is_ok()) {
      offer.refusal = graph.status().message();
      return;
    }
    // Of float32, engines on tensor cores are among those proposed, and refused when prepared.
    const bool on_tensor_cores = variant.tf32 || node.outputs[0].dtype != DataType::kFloat32;
    const int few = variant.fused ? kMostEngines : kMostEngines / 2;
    const int most = on_tensor_cores ? few : 8 * kMostEngines;
    for (int i = 0; i < std::min(most, (*graph)->engine_count()); ++i) {
      offer.forms.push_back(form);
      variant.engine = i;
      offer.forms.back().config = variant.text();
    }
  }

  static ir::ConstantRef channels_innermost(const Operand& weights) {
    const Shape& shape = weights.shape;
    const size_t size = size_of(weights.dtype);
    ir::ConstantRef packed = ir::make_constant(weights.dtype, shape, nullptr);
    auto* to = const_cast<std::byte*>(packed->data);
    const auto* from = static_cast<const std::byte*>(weights.data);
    const int64_t area = shape[2] * shape[3];
    for (int64_t k = 0; k < shape[0]; ++k) {
      for (int64_t c = 0; c < shape[1]; ++c) {
        for (int64_t at = 0; at < area; ++at) {
          std::memcpy(to + ((k * area + at) * shape[1] + c) * size,
                      from + ((k * shape[1] + c) * area + at) * size, size);
        }
      }
    }
    return packed;
  }
};

}  // namespace

const backends::Tactic& cudnn_conv() {
  static const ConvTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
