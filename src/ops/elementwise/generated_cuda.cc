// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/generated_cuda.h"

#include <algorithm>

#include "backends/cuda/cuda_status.h"
#include "backends/cuda/generated_kernel.h"
#include "ops/cuda_tactics.h"
#include "ops/elementwise/cuda_expression.h"
#include "ops/elementwise/layout_walk.h"

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

constexpr int kMostInputs = 12;
constexpr int kMostAxes = 6;
constexpr int kThreads = 256;

// Types that have no name in NVRTC without headers, and the functions of expressions. Halves are
// converted by the instructions of the machine.
constexpr std::string_view kPrelude = R"(
struct half_bits { unsigned short bits; };
struct bfloat_bits { unsigned short bits; };
struct bool_byte { unsigned char byte; };
__device__ inline float infinity() { return __int_as_float(0x7f800000); }
template <typename T> __device__ inline T smaller(T a, T b) { return a < b || a != a ? a : b; }
template <typename T> __device__ inline T larger(T a, T b) { return a > b || a != a ? a : b; }
template <typename T> __device__ inline long long to_integer(T x) {
  return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (long long)x : (-9223372036854775807LL - 1);
}
template <typename T> __device__ inline T load(T x) { return x; }
__device__ inline bool load(bool_byte x) { return x.byte != 0; }
__device__ inline float load(half_bits x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
__device__ inline float load(bfloat_bits x) { return __int_as_float((int)x.bits << 16); }
template <typename To> struct Store {
  template <typename T> __device__ static To of(T x) { return (To)x; }
};
template <> struct Store<bool_byte> {
  template <typename T> __device__ static bool_byte of(T x) { return {(unsigned char)(x != 0)}; }
};
template <> struct Store<half_bits> {
  __device__ static half_bits of(float x) {
    half_bits y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
  }
};
template <> struct Store<bfloat_bits> {
  __device__ static bfloat_bits of(float x) {
    bfloat_bits y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
  }
};
template <typename T, int N> struct alignas(sizeof(T) * N) Pack { T at[N]; };
)";

// Arguments of a generated kernel, laid out as its source declares them.
struct Arguments {
  long long total = 0;
  int rank = 0;
  int padding = 0;
  long long extents[kMostAxes] = {};
  long long strides[kMostInputs][kMostAxes] = {};
  const void* inputs[kMostInputs] = {};
  void* output = nullptr;
};

std::string arguments_source() {
  const std::string inputs = std::to_string(kMostInputs);
  const std::string axes = std::to_string(kMostAxes);
  return "struct Arguments { long long total; int rank; int padding; long long extents[" + axes +
         "]; long long strides[" + inputs + "][" + axes + "]; const void* inputs[" + inputs +
         "]; void* output; };\n";
}

std::string input_pointer(size_t k) { return "p" + std::to_string(k); }

std::string pointers(const CudaExpression& expression, const NodeFacts& node) {
  std::string text;
  for (size_t k = 0; k < expression.inputs.size(); ++k) {
    const std::string type = cuda_storage_type(node.inputs[expression.inputs[k]].dtype);
    text += "const " + type + "* " + input_pointer(k) + " = (const " + type + "*)a.inputs[" +
            std::to_string(k) + "];\n";
  }
  return text + "Out* y = (Out*)a.output;\n";
}

std::string element(const CudaExpression& expression, const std::string& place,
                    const std::vector<std::string>& values) {
  std::string text = "{\n";
  for (size_t k = 0; k < values.size(); ++k) {
    text += "const auto v" + std::to_string(k) + " = load(" + values[k] + ");\n";
  }
  return text + expression.statements + place + " = Store<Out>::of(" + expression.result +
         ");\n}\n";
}

// Any strides: an element a thread, its place taken apart along the axes.
std::string strided_kernel(const CudaExpression& expression, const NodeFacts& node) {
  std::vector<std::string> values;
  std::string offsets;
  std::string steps;
  for (size_t k = 0; k < expression.inputs.size(); ++k) {
    const std::string offset = "o" + std::to_string(k);
    offsets += "Index " + offset + " = 0;\n";
    steps += offset + " += at * (Index)a.strides[" + std::to_string(k) + "][axis];\n";
    values.push_back(input_pointer(k) + "[" + offset + "]");
  }
  return "template <typename Index> __device__ inline void strided(const Arguments& a) {\n" +
         pointers(expression, node) +
         "for (Index i = (Index)blockIdx.x * blockDim.x + threadIdx.x; i < (Index)a.total;\n"
         "     i += (Index)gridDim.x * blockDim.x) {\n" +
         offsets +
         "Index rest = i;\n"
         "for (int axis = a.rank - 1; axis > 0; --axis) {\n"
         "const Index extent = (Index)a.extents[axis];\n"
         "const Index next = rest / extent;\nconst Index at = rest - next * extent;\n" +
         steps + "rest = next;\n}\n{ const int axis = 0; const Index at = rest;\n" + steps + "}\n" +
         element(expression, "y[i]", values) +
         "}\n}\n"
         "extern \"C\" __global__ void strided32(const __grid_constant__ Arguments a) { "
         "strided<unsigned int>(a); }\n"
         "extern \"C\" __global__ void strided64(const __grid_constant__ Arguments a) { "
         "strided<unsigned long long>(a); }\n";
}

int pack_width(const CudaExpression& expression, const NodeFacts& node) {
  size_t largest = size_of(node.outputs[0].dtype);
  for (int input : expression.inputs) {
    largest = std::max(largest, size_of(node.inputs[input].dtype));
  }
  return std::max(1, static_cast<int>(16 / largest));
}

// Operands as long as the result, or of one element: several elements a thread, loaded at once.
// `scalars` says which are of one element.
std::string flat_kernel(const CudaExpression& expression, const NodeFacts& node,
                        const std::vector<bool>& scalars, int width) {
  const std::string n = std::to_string(width);
  std::string loads;
  std::vector<std::string> in_pack;
  std::vector<std::string> alone;
  for (size_t k = 0; k < expression.inputs.size(); ++k) {
    const std::string type = cuda_storage_type(node.inputs[expression.inputs[k]].dtype);
    const std::string name = std::to_string(k);
    if (scalars[k]) {
      loads += "const " + type + " x" + name + " = " + input_pointer(k) + "[0];\n";
      in_pack.push_back("x" + name);
      alone.push_back(input_pointer(k) + "[0]");
    } else {
      loads += "const auto x" + name + " = *(const Pack<" + type + ", " + n + ">*)(" +
               input_pointer(k) + " + i);\n";
      in_pack.push_back("x" + name + ".at[j]");
      alone.push_back(input_pointer(k) + "[e]");
    }
  }
  return "extern \"C\" __global__ void flat(const __grid_constant__ Arguments a) {\n" +
         pointers(expression, node) +
         "const long long step = (long long)gridDim.x * blockDim.x * " + n +
         ";\n"
         "for (long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * " +
         n + "; i < a.total; i += step) {\nif (i + " + n + " <= a.total) {\n" + loads +
         "Pack<Out, " + n + "> out;\n_Pragma(\"unroll\") for (int j = 0; j < " + n + "; ++j) " +
         element(expression, "out.at[j]", in_pack) + "*(Pack<Out, " + n +
         ">*)(y + i) = out;\n} else {\nfor (long long e = i; e < a.total; ++e) " +
         element(expression, "y[e]", alone) + "}\n}\n}\n";
}

// What a bound node launches.
struct Bound {
  Arguments arguments;
  std::vector<int> inputs;
  Shape shape;
  cudaKernel_t flat = nullptr;  // null where strides rule it out
  cudaKernel_t strided = nullptr;
  int width = 1;
  std::vector<size_t> pack_bytes;  // of each input in the flat kernel, then of the output
};

bool is_aligned(const void* address, size_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

Status launch(const Bound& bound, const Arguments& arguments, cudaStream_t stream) {
  bool use_flat = bound.flat != nullptr && is_aligned(arguments.output, bound.pack_bytes.back());
  for (size_t k = 0; use_flat && k < bound.inputs.size(); ++k) {
    use_flat = is_aligned(arguments.inputs[k], bound.pack_bytes[k]);
  }
  const int64_t work =
      use_flat ? (arguments.total + bound.width - 1) / bound.width : arguments.total;
  const auto blocks =
      static_cast<unsigned>(std::min<int64_t>((work + kThreads - 1) / kThreads, int64_t{1} << 20));
  void* parameters[] = {const_cast<Arguments*>(&arguments)};
  const void* kernel = reinterpret_cast<const void*>(use_flat ? bound.flat : bound.strided);
  return cuda_status(cudaLaunchKernel(kernel, dim3(blocks), dim3(kThreads), parameters, 0, stream),
                     "launch of a generated kernel");
}

Result<Bound> bind_node(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const CudaExpression expression, cuda_expression(node));
  std::vector<const Operand*> operands;
  for (int i : expression.inputs) operands.push_back(&node.inputs[i]);
  BroadcastLoop loop = layout_walk(node.outputs[0].shape, node.outputs[0].layout, operands);
  collapse_axes(loop);
  if (loop.extents.size() > kMostAxes || operands.size() > kMostInputs) {
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
  std::vector<bool> scalars;
  bool is_flat = loop.extents.size() == 1;
  for (size_t k = 0; k < operands.size(); ++k) {
    std::copy(loop.strides[k].begin(), loop.strides[k].end(), bound.arguments.strides[k]);
    scalars.push_back(std::all_of(loop.strides[k].begin(), loop.strides[k].end(),
                                  [](int64_t stride) { return stride == 0; }));
    is_flat = is_flat && (scalars.back() || loop.strides[k][0] == 1);
  }
  const std::string head = std::string(kPrelude) + arguments_source() + "typedef " +
                           expression.compute + " T;\ntypedef " +
                           cuda_storage_type(node.outputs[0].dtype) + " Out;\n";
  const std::string strided = head + strided_kernel(expression, node);
  const bool is_small = bound.arguments.total < (int64_t{1} << 31);
  PENSTOCK_ASSIGN_OR_RETURN(
      bound.strided, backends::cuda::compile_kernel(strided, is_small ? "strided32" : "strided64"));
  if (is_flat) {
    bound.width = pack_width(expression, node);
    PENSTOCK_ASSIGN_OR_RETURN(
        bound.flat, backends::cuda::compile_kernel(
                        head + flat_kernel(expression, node, scalars, bound.width), "flat"));
    for (size_t k = 0; k < operands.size(); ++k) {
      const size_t size = size_of(operands[k]->dtype);
      bound.pack_bytes.push_back(scalars[k] ? size : size * bound.width);
    }
    bound.pack_bytes.push_back(size_of(node.outputs[0].dtype) * bound.width);
  }
  return bound;
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
    if (expression->inputs.size() > kMostInputs) return Offer::refuse("has too many operands");
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
  PENSTOCK_ASSIGN_OR_RETURN(Bound bound, bind_node(node));
  return CudaLaunch([bound = std::move(bound)](KernelRun& run, cudaStream_t stream) -> Status {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, bound.shape));
    if (bound.arguments.total == 0) return Status::ok();
    Arguments arguments = bound.arguments;
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
    Arguments arguments = bound.arguments;
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
