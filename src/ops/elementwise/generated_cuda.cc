// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/generated_cuda.h"

#include <algorithm>

#include "backends/cuda/cuda_status.h"
#include "backends/cuda/generated_kernel.h"
#include "ops/cuda_tactics.h"
#include "ops/elementwise/cuda_expression.h"
#include "ops/elementwise/layout_walk.h"
#include "ops/elementwise/source_cuda.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::TensorView;
using backends::cuda::cuda_status;
using ir::Layout;

constexpr int kThreads = 256;

int pack_width(const CudaExpression& expression, const NodeFacts& node) {
  size_t largest = size_of(node.outputs[0].dtype);
  for (int input : expression.inputs) {
    largest = std::max(largest, size_of(node.inputs[input].dtype));
  }
  return std::max(1, static_cast<int>(16 / largest));
}

// What a bound node launches.
struct Bound {
  GeneratedArguments arguments;
  std::vector<int> inputs;
  Shape shape;
  cudaKernel_t packed = nullptr;  // several elements a thread; null where strides rule it out
  cudaKernel_t strided = nullptr;
  int width = 1;
  std::vector<size_t> pack_bytes;  // of each input of that, then of the output
};

bool is_aligned(const void* address, size_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

Status launch(const Bound& bound, const GeneratedArguments& arguments, cudaStream_t stream) {
  bool use_packs = bound.packed != nullptr && is_aligned(arguments.output, bound.pack_bytes.back());
  for (size_t k = 0; use_packs && k < bound.inputs.size(); ++k) {
    use_packs = is_aligned(arguments.inputs[k], bound.pack_bytes[k]);
  }
  const int64_t work =
      use_packs ? (arguments.total + bound.width - 1) / bound.width : arguments.total;
  const auto blocks =
      static_cast<unsigned>(std::min<int64_t>((work + kThreads - 1) / kThreads, int64_t{1} << 20));
  void* parameters[] = {const_cast<GeneratedArguments*>(&arguments)};
  const void* kernel = reinterpret_cast<const void*>(use_packs ? bound.packed : bound.strided);
  return cuda_status(cudaLaunchKernel(kernel, dim3(blocks), dim3(kThreads), parameters, 0, stream),
                     "launch of a generated kernel");
}

// The kernel that loads packs, where the operands allow one.
Status bind_packed(const CudaExpression& expression, const NodeFacts& node,
                   const std::vector<const Operand*>& operands, const BroadcastLoop& loop,
                   Bound& bound) {
  const size_t rank = loop.extents.size();
  bound.width = pack_width(expression, node);
  if (rank == 0 || bound.width == 1) return Status::ok();
  const bool is_flat = rank == 1;
  const auto is_whole = [&](int64_t extent) { return extent % bound.width == 0; };
  if (!is_flat && (!is_whole(loop.extents.back()) || bound.arguments.total >= int64_t{1} << 31)) {
    return Status::ok();
  }
  std::vector<bool> repeats;
  for (size_t k = 0; k < operands.size(); ++k) {
    const std::vector<int64_t>& strides = loop.strides[k];
    repeats.push_back(strides.back() == 0);
    if (!repeats.back() &&
        (strides.back() != 1 || !std::all_of(strides.begin(), strides.end() - 1, is_whole))) {
      return Status::ok();
    }
    const size_t size = size_of(operands[k]->dtype);
    bound.pack_bytes.push_back(repeats.back() ? size : size * bound.width);
  }
  bound.pack_bytes.push_back(size_of(node.outputs[0].dtype) * bound.width);
  PENSTOCK_ASSIGN_OR_RETURN(
      bound.packed, is_flat ? backends::cuda::compile_kernel(
                                  flat_source(expression, node, repeats, bound.width), "flat")
                            : backends::cuda::compile_kernel(
                                  rows_source(expression, node, repeats, bound.width), "rows"));
  return Status::ok();
}

Result<Bound> bind_expression(const CudaExpression& expression, const NodeFacts& node) {
  std::vector<const Operand*> operands;
  for (int i : expression.inputs) operands.push_back(&node.inputs[i]);
  BroadcastLoop loop = layout_walk(node.outputs[0].shape, node.outputs[0].layout, operands);
  collapse_axes(loop);
  if (loop.extents.size() > kMostGeneratedAxes || operands.size() > kMostGeneratedInputs) {
    return Status(StatusCode::kUnsupported,
                  "broadcasts along more axes, or has more operands, "
                  "than a generated kernel");
  }
  Bound bound;
  bound.inputs = expression.inputs;
  bound.shape = node.outputs[0].shape;
  bound.arguments.total = element_count(loop.extents);
  bound.arguments.rank = static_cast<int>(loop.extents.size());
  std::copy(loop.extents.begin(), loop.extents.end(), bound.arguments.extents);
  for (size_t k = 0; k < operands.size(); ++k) {
    std::copy(loop.strides[k].begin(), loop.strides[k].end(), bound.arguments.strides[k]);
  }
  const bool is_small = bound.arguments.total < (int64_t{1} << 31);
  PENSTOCK_ASSIGN_OR_RETURN(bound.strided,
                            backends::cuda::compile_kernel(strided_source(expression, node),
                                                           is_small ? "strided32" : "strided64"));
  PENSTOCK_RETURN_IF_ERROR(bind_packed(expression, node, operands, loop, bound));
  return bound;
}

Result<Bound> bind_node(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const CudaExpression expression, cuda_expression(node));
  return bind_expression(expression, node);
}

bool varies(const Operand& x) { return x.present && x.data == nullptr; }

// Full-size operands channels-last, broadcast ones row-major, or channels-last too where they have
// the rank.
void add_channels_last(const NodeFacts& node, bool with_partial, std::vector<Form>& forms) {
  const Shape& shape = node.outputs[0].shape;
  Form form;
  form.outputs = {Layout::kChannelsLast};
  form.inputs.assign(node.inputs.size(), Layout::kPlain);
  bool any_full = false;
  bool any_partial = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Operand& x = node.inputs[i];
    if (!varies(x) || x.shape.size() != shape.size()) continue;
    const bool full = x.shape == shape;
    const bool partial = !full && element_count(x.shape) > 1;
    any_full = any_full || full;
    any_partial = any_partial || partial;
    if (full || (partial && with_partial)) form.inputs[i] = Layout::kChannelsLast;
  }
  if (any_full && (!with_partial || any_partial)) forms.push_back(std::move(form));
}

class GeneratedTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "nvrtc.elementwise"; }

  Offer offer(const NodeFacts& node) const override {
    if (std::string missing = backends::cuda::why_no_nvrtc(); !missing.empty()) {
      return Offer::refuse(std::move(missing));
    }
    if (const Status plain = check_plain(node); !plain.is_ok()) {
      return Offer::refuse(plain.message());
    }
    const Result<CudaExpression> expression = cuda_expression(node);
    if (!expression.is_ok()) return Offer::refuse(expression.status().message());
    if (expression->inputs.size() > kMostGeneratedInputs)
      return Offer::refuse("has too many operands");
    Offer offer = Offer::plain(node);
    if (node.outputs[0].shape.size() == 4) {
      add_channels_last(node, false, offer.forms);
      add_channels_last(node, true, offer.forms);
    }
    return offer;
  }

  Result<std::unique_ptr<backends::Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(CudaLaunch launch, bind_elementwise(node));
    return make_cuda_kernel("generated " + node.op, std::move(launch));
  }

  bool can_run_in_place(const NodeFacts& node, size_t input) const override {
    const Operand& x = node.inputs[input];
    const Operand& y = node.outputs[0];
    return x.present && x.data == nullptr && x.dtype == y.dtype && x.shape == y.shape &&
           x.layout == y.layout;
  }
};

// A Pointwise node that does to its input 0, the result of a node, what an epilogue does. Its other
// inputs are the node's inputs `operands`.
struct EpilogueNode {
  NodeFacts facts;
  std::vector<size_t> operands;
};

EpilogueNode epilogue_node(const NodeFacts& node, const Epilogue& epilogue) {
  EpilogueNode made;
  made.facts.op = "Pointwise";
  made.facts.name = node.name;
  made.facts.inputs = {node.outputs[0]};
  made.facts.outputs = {node.outputs[0]};
  std::string program;
  std::string before = "i0";
  for (size_t i = 0; i < epilogue.size(); ++i) {
    std::string text = print_epilogue({epilogue[i]});
    const std::string function = text.substr(0, text.find('('));
    std::string parameters =
        function.size() == text.size() ? "" : "," + text.substr(function.size() + 1);
    if (epilogue[i].is_binary()) {
      made.operands.push_back(static_cast<size_t>(epilogue[i].input));
      made.facts.inputs.push_back(node.inputs[epilogue[i].input]);
      parameters = ",i" + std::to_string(made.operands.size()) + ")";
    }
    if (parameters.empty()) parameters = ")";
    program += (i == 0 ? "" : ";") + function + "(" + before + parameters;
    before = "t" + std::to_string(i);
  }
  made.facts.attributes.set("program", program);
  return made;
}

}  // namespace

Result<CudaLaunch> bind_elementwise(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const CudaExpression expression, cuda_expression(node));
  return bind_elementwise(expression, node);
}

Result<CudaLaunch> bind_elementwise(const CudaExpression& expression, const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(Bound bound, bind_expression(expression, node));
  return CudaLaunch([bound = std::move(bound)](KernelRun& run, cudaStream_t stream) -> Status {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, bound.shape));
    if (bound.arguments.total == 0) return Status::ok();
    GeneratedArguments arguments = bound.arguments;
    for (size_t k = 0; k < bound.inputs.size(); ++k) {
      arguments.inputs[k] = run.input(static_cast<size_t>(bound.inputs[k])).data;
    }
    arguments.output = y.data;
    return launch(bound, arguments, stream);
  });
}

Result<CudaEpilogue> CudaEpilogue::bind(const NodeFacts& node, const Epilogue& epilogue) {
  CudaEpilogue made;
  if (epilogue.empty()) return made;
  EpilogueNode as_node = epilogue_node(node, epilogue);
  PENSTOCK_ASSIGN_OR_RETURN(Bound bound, bind_node(as_node.facts));
  made.launch_ = [bound = std::move(bound), operands = std::move(as_node.operands)](
                     KernelRun& run, void* result, cudaStream_t stream) -> Status {
    if (bound.arguments.total == 0) return Status::ok();
    GeneratedArguments arguments = bound.arguments;
    for (size_t k = 0; k < bound.inputs.size(); ++k) {
      const auto input = static_cast<size_t>(bound.inputs[k]);
      arguments.inputs[k] = input == 0 ? result : run.input(operands[input - 1]).data;
    }
    arguments.output = result;
    return launch(bound, arguments, stream);
  };
  return made;
}

TacticList generated_cuda_tactics() {
  static const GeneratedTactic kTactic;
  TacticList tactics = {{"Pointwise", &kTactic}, {"Cast", &kTactic}};
  for (const PointwiseFunction& function : pointwise_functions()) {
    const bool listed = std::any_of(tactics.begin(), tactics.end(),
                                    [&](const auto& entry) { return entry.first == function.op; });
    if (!listed) tactics.emplace_back(function.op, &kTactic);
  }
  for (std::string_view op : {"BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"}) {
    tactics.emplace_back(op, &kTactic);
  }
  return tactics;
}

}  // namespace penstock::ops
