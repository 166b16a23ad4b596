// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/matmul_cublaslt.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "backends/cuda/cublaslt.h"
#include "backends/cuda/cuda_stream.h"
#include "backends/cuda/generated_kernel.h"
#include "ops/cuda_tactics.h"
#include "ops/elementwise/generated_cuda.h"
#include "ops/matmul/flat_matmul.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;
using backends::cuda::cublas_status;
using backends::cuda::cublaslt;
using backends::cuda::cublaslt_handle;

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what NVIDIA advises for Hopper
constexpr uint32_t kAlignment = 16;  // of the operands: callers need not align better
constexpr int kMostAlgorithms = 8;

// A config: the algorithm's number, of those for float32 factors or for TF32 ones.
struct Variant {
  bool tf32 = false;
  size_t algorithm = 0;

  std::string text() const { return (tf32 ? "tf32:" : "") + std::to_string(algorithm); }
  static Variant parse(std::string_view text) {
    Variant variant;
    variant.tf32 = text.substr(0, 5) == "tf32:";
    if (variant.tf32) text.remove_prefix(5);
    std::from_chars(text.data(), text.data() + text.size(), variant.algorithm);
    return variant;
  }
};

// What the product's own epilogue does, and what is left for a kernel after it.
struct Fusion {
  bool bias = false;
  int residual = -1;  // input that is added, of the result's shape
  EpilogueStep::Kind activation = EpilogueStep::Kind::kAdd;  // kAdd: none
  Epilogue rest;

  bool has_activation() const { return activation != EpilogueStep::Kind::kAdd; }
  cublasLtEpilogue_t code() const {
    if (activation == EpilogueStep::Kind::kRelu) {
      return bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    }
    if (activation == EpilogueStep::Kind::kGeluTanh) {
      return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    }
    return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  }
};

Result<Fusion> plan_fusion(const NodeFacts& node, const FlatMatMul& flat) {
  PENSTOCK_ASSIGN_OR_RETURN(Epilogue steps, parse_epilogue(node.attributes.get_string("epilogue")));
  Fusion fusion;
  if (node.has_input(2)) {
    const Shape& bias = node.inputs[2].shape;
    fusion.bias = !bias.empty() && bias.back() == flat.n && element_count(bias) == flat.n &&
                  !flat.b_is_vector && node.inputs[2].dtype == node.outputs[0].dtype;
    if (!fusion.bias) {
      EpilogueStep add;
      add.kind = EpilogueStep::Kind::kAdd;
      add.input = 2;
      steps.insert(steps.begin(), add);
    }
  }
  size_t done = 0;
  if (done < steps.size() && steps[done].kind == EpilogueStep::Kind::kAdd) {
    const backends::Operand& operand = node.inputs[steps[done].input];
    if (operand.shape == node.outputs[0].shape && operand.dtype == node.outputs[0].dtype) {
      fusion.residual = steps[done++].input;
    }
  }
  if (done < steps.size() && (steps[done].kind == EpilogueStep::Kind::kRelu ||
                              steps[done].kind == EpilogueStep::Kind::kGeluTanh)) {
    fusion.activation = steps[done++].kind;
  }
  fusion.rest.assign(steps.begin() + static_cast<int64_t>(done), steps.end());
  return fusion;
}

Result<cudaDataType_t> library_type(DataType type) {
  switch (type) {
    case DataType::kFloat32: return CUDA_R_32F;
    case DataType::kFloat16: return CUDA_R_16F;
    case DataType::kBFloat16: return CUDA_R_16BF;
    default:
      return Status(StatusCode::kUnsupported, "multiplies float32, float16 and bfloat16, not " +
                                                  std::string(to_string(type)));
  }
}

// One axis of equal steps over the batch, and outer axes that are walked by separate calls.
struct BatchWalk {
  Shape outer;
  std::vector<int64_t> a_outer, b_outer;
  int64_t count = 1;
  int64_t a_step = 0, b_step = 0;
};

BatchWalk walk_batch(const FlatMatMul& flat) {
  BatchWalk walk;
  size_t axis = flat.batch.size();
  if (axis > 0) {
    --axis;
    walk.count = flat.batch[axis];
    walk.a_step = flat.a_batch_strides[axis];
    walk.b_step = flat.b_batch_strides[axis];
    // An axis in front whose steps continue those of the inner ones.
    while (axis > 0 && flat.a_batch_strides[axis - 1] == walk.a_step * walk.count &&
           flat.b_batch_strides[axis - 1] == walk.b_step * walk.count) {
      --axis;
      walk.count *= flat.batch[axis];
    }
  }
  walk.outer.assign(flat.batch.begin(), flat.batch.begin() + static_cast<int64_t>(axis));
  walk.a_outer.assign(flat.a_batch_strides.begin(),
                      flat.a_batch_strides.begin() + static_cast<int64_t>(axis));
  walk.b_outer.assign(flat.b_batch_strides.begin(),
                      flat.b_batch_strides.begin() + static_cast<int64_t>(axis));
  return walk;
}

struct Destroy {
  void operator()(cublasLtMatmulDescOpaque_t* desc) const { (void)cublaslt().desc_destroy(desc); }
  void operator()(cublasLtMatrixLayoutOpaque_t* layout) const {
    (void)cublaslt().layout_destroy(layout);
  }
  void operator()(cublasLtMatmulPreferenceOpaque_t* preference) const {
    (void)cublaslt().preference_destroy(preference);
  }
};
using Desc = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy>;
using MatrixLayout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy>;

template <typename T>
Status set(const Desc& desc, cublasLtMatmulDescAttributes_t which, const T& value) {
  return cublas_status(cublaslt().desc_set(desc.get(), which, &value, sizeof(value)),
                       "describing a matrix product");
}

Result<MatrixLayout> make_layout(cudaDataType_t type, int64_t rows, int64_t columns, int64_t ld,
                                 int64_t count, int64_t step) {
  cublasLtMatrixLayout_t layout = nullptr;
  PENSTOCK_RETURN_IF_ERROR(
      cublas_status(cublaslt().layout_create(&layout, type, static_cast<uint64_t>(rows),
                                             static_cast<uint64_t>(columns), std::max(ld, rows)),
                    "describing a matrix"));
  MatrixLayout owned(layout);
  const auto batch = static_cast<int32_t>(count);
  const auto set_layout = [&](cublasLtMatrixLayoutAttribute_t which, const auto& value) {
    return cublas_status(cublaslt().layout_set(layout, which, &value, sizeof(value)),
                         "describing a matrix");
  };
  PENSTOCK_RETURN_IF_ERROR(set_layout(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batch));
  PENSTOCK_RETURN_IF_ERROR(set_layout(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step));
  return owned;
}

// The node in cuBLASLt's terms. Its matrices are column-major, so it is asked for the transpose of
// the product, with the operands' places exchanged: first is our b, second our a.
struct Problem {
  FlatMatMul flat;
  Fusion fusion;
  BatchWalk batch;
  Desc desc;
  MatrixLayout first, second, result;
  size_t element_bytes = 4;
};

Result<Problem> make_problem(const NodeFacts& node, bool tf32) {
  Problem problem;
  PENSTOCK_ASSIGN_OR_RETURN(const cudaDataType_t type, library_type(node.outputs[0].dtype));
  for (size_t i = 0; i < 2; ++i) {
    if (node.inputs[i].dtype != node.outputs[0].dtype) {
      return Status(StatusCode::kUnsupported, "operands of several types");
    }
  }
  PENSTOCK_ASSIGN_OR_RETURN(problem.flat, flatten_matmul(node));
  const FlatMatMul& flat = problem.flat;
  if (element_count(flat.batch) * flat.m * flat.n * flat.k == 0) {
    return Status(StatusCode::kUnsupported, "an empty product");
  }
  PENSTOCK_ASSIGN_OR_RETURN(problem.fusion, plan_fusion(node, flat));
  problem.batch = walk_batch(flat);
  problem.element_bytes = size_of(node.outputs[0].dtype);
  cublasLtMatmulDesc_t desc = nullptr;
  PENSTOCK_RETURN_IF_ERROR(cublas_status(
      cublaslt().desc_create(&desc, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                             CUDA_R_32F),
      "describing a matrix product"));
  problem.desc.reset(desc);
  const cublasOperation_t first_op = flat.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t second_op = flat.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  PENSTOCK_RETURN_IF_ERROR(set(problem.desc, CUBLASLT_MATMUL_DESC_TRANSA, first_op));
  PENSTOCK_RETURN_IF_ERROR(set(problem.desc, CUBLASLT_MATMUL_DESC_TRANSB, second_op));
  PENSTOCK_RETURN_IF_ERROR(set(problem.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, problem.fusion.code()));
  if (problem.fusion.bias) {
    PENSTOCK_RETURN_IF_ERROR(set(problem.desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type));
  }
  const BatchWalk& batch = problem.batch;
  PENSTOCK_ASSIGN_OR_RETURN(
      problem.first,
      flat.trans_b ? make_layout(type, flat.k, flat.n, flat.b_column, batch.count, batch.b_step)
                   : make_layout(type, flat.n, flat.k, flat.b_row, batch.count, batch.b_step));
  PENSTOCK_ASSIGN_OR_RETURN(
      problem.second,
      flat.trans_a ? make_layout(type, flat.m, flat.k, flat.a_column, batch.count, batch.a_step)
                   : make_layout(type, flat.k, flat.m, flat.a_row, batch.count, batch.a_step));
  PENSTOCK_ASSIGN_OR_RETURN(
      problem.result, make_layout(type, flat.n, flat.m, flat.n, batch.count, flat.m * flat.n));
  return problem;
}

// What the library's heuristics propose, fastest expected first.
Result<std::vector<cublasLtMatmulHeuristicResult_t>> propose(const Problem& problem) {
  PENSTOCK_ASSIGN_OR_RETURN(const cublasLtHandle_t handle, cublaslt_handle());
  cublasLtMatmulPreference_t raw = nullptr;
  PENSTOCK_RETURN_IF_ERROR(
      cublas_status(cublaslt().preference_create(&raw), "asking for algorithms"));
  const Preference preference(raw);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, const auto& value) {
    return cublas_status(cublaslt().preference_set(raw, which, &value, sizeof(value)),
                         "asking for algorithms");
  };
  PENSTOCK_RETURN_IF_ERROR(prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes));
  for (const auto which :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    PENSTOCK_RETURN_IF_ERROR(prefer(which, kAlignment));
  }
  std::vector<cublasLtMatmulHeuristicResult_t> found(kMostAlgorithms);
  int count = 0;
  PENSTOCK_RETURN_IF_ERROR(cublas_status(
      cublaslt().heuristic(handle, problem.desc.get(), problem.first.get(), problem.second.get(),
                           problem.result.get(), problem.result.get(), raw, kMostAlgorithms,
                           found.data(), &count),
      "asking for algorithms"));
  found.resize(static_cast<size_t>(count));
  const auto is_bad = [](const auto& result) { return result.state != CUBLAS_STATUS_SUCCESS; };
  found.erase(std::remove_if(found.begin(), found.end(), is_bad), found.end());
  if (found.empty()) return Status(StatusCode::kUnsupported, "cuBLASLt has no algorithm for this");
  return found;
}

class MatMulKernel : public Kernel {
 public:
  MatMulKernel(Problem problem, const cublasLtMatmulHeuristicResult_t& algorithm,
               CudaEpilogue epilogue, cublasLtHandle_t handle, Shape shape)
      : problem_(std::move(problem)),
        algorithm_(algorithm),
        epilogue_(std::move(epilogue)),
        handle_(handle),
        shape_(std::move(shape)) {}

  size_t workspace_bytes() const override { return algorithm_.workspaceSize; }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    cudaStream_t stream = backends::cuda::stream_of(run.stream());
    const int64_t calls = element_count(problem_.batch.outer);
    for (int64_t call = 0; call < calls; ++call) {
      PENSTOCK_RETURN_IF_ERROR(multiply(run, y, call, stream));
    }
    return epilogue_.run(run, y.data, stream);
  }

 private:
  Status multiply(KernelRun& run, const TensorView& y, int64_t call, cudaStream_t stream) const {
    int64_t a = 0;
    int64_t b = 0;
    int64_t rest = call;
    for (size_t axis = problem_.batch.outer.size(); axis-- > 0;) {
      const int64_t at = rest % problem_.batch.outer[axis];
      rest /= problem_.batch.outer[axis];
      a += at * problem_.batch.a_outer[axis];
      b += at * problem_.batch.b_outer[axis];
    }
    const auto bytes = static_cast<int64_t>(problem_.element_bytes);
    const int64_t out = call * problem_.batch.count * problem_.flat.m * problem_.flat.n * bytes;
    const auto* first = run.input(1).as<const std::byte>() + b * bytes;
    const auto* second = run.input(0).as<const std::byte>() + a * bytes;
    auto* result = y.as<std::byte>() + out;
    const Fusion& fusion = problem_.fusion;
    const auto* added = fusion.residual < 0
                            ? result
                            : run.input(static_cast<size_t>(fusion.residual)).as<std::byte>() + out;
    // A copy: contexts on other threads set other addresses.
    cublasLtMatmulDescOpaque_t desc = *problem_.desc;
    if (fusion.bias) {
      const void* bias = run.input(2).data;
      PENSTOCK_RETURN_IF_ERROR(cublas_status(
          cublaslt().desc_set(&desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias)),
          "a matrix product"));
    }
    const float alpha = problem_.flat.alpha;
    const float beta = fusion.residual < 0 ? 0.0f : 1.0f;
    return cublas_status(
        cublaslt().matmul(handle_, &desc, &alpha, first, problem_.first.get(), second,
                          problem_.second.get(), &beta, added, problem_.result.get(), result,
                          problem_.result.get(), &algorithm_.algo, run.workspace(),
                          algorithm_.workspaceSize, stream),
        "a matrix product");
  }

  Problem problem_;
  cublasLtMatmulHeuristicResult_t algorithm_;
  CudaEpilogue epilogue_;
  cublasLtHandle_t handle_;
  Shape shape_;
};

class MatMulTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "cublaslt.matmul"; }

  // A form for each algorithm that the heuristics propose; config is its number.
  Offer offer(const NodeFacts& node) const override {
    if (!backends::cuda::why_no_cublaslt().empty()) {
      return Offer::refuse(backends::cuda::why_no_cublaslt());
    }
    const auto variants = cublaslt_variants(node);
    if (!variants.is_ok()) return Offer::refuse(variants.status().message());
    Offer offer;
    for (const std::string& variant : *variants) {
      offer.forms.push_back(Offer::plain(node, variant).forms.front());
    }
    return offer;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    return bind_cublaslt(node, node.outputs[0].shape);
  }
};

}  // namespace

Result<std::vector<std::string>> cublaslt_variants(const NodeFacts& matmul) {
  PENSTOCK_ASSIGN_OR_RETURN(const Problem problem, make_problem(matmul, false));
  if (!problem.fusion.rest.empty() && !backends::cuda::why_no_nvrtc().empty()) {
    return Status(StatusCode::kUnsupported,
                  "the epilogue needs NVRTC: " + backends::cuda::why_no_nvrtc());
  }
  PENSTOCK_ASSIGN_OR_RETURN(const auto algorithms, propose(problem));
  std::vector<std::string> variants;
  for (size_t i = 0; i < algorithms.size(); ++i) variants.push_back(Variant{false, i}.text());
  if (matmul.attributes.get_int("tf32") == 0) return variants;
  PENSTOCK_ASSIGN_OR_RETURN(const Problem rounded, make_problem(matmul, true));
  const auto more = propose(rounded);
  for (size_t i = 0; more.is_ok() && i < more->size(); ++i) {
    variants.push_back(Variant{true, i}.text());
  }
  return variants;
}

Result<std::unique_ptr<Kernel>> bind_cublaslt(const NodeFacts& matmul, const Shape& result) {
  const Variant variant = Variant::parse(matmul.config);
  PENSTOCK_ASSIGN_OR_RETURN(Problem problem, make_problem(matmul, variant.tf32));
  PENSTOCK_ASSIGN_OR_RETURN(const auto algorithms, propose(problem));
  PENSTOCK_ASSIGN_OR_RETURN(const cublasLtHandle_t handle, cublaslt_handle());
  // Other shapes than those tuned for may have fewer proposals.
  const auto& algorithm = algorithms[std::min(variant.algorithm, algorithms.size() - 1)];
  PENSTOCK_ASSIGN_OR_RETURN(CudaEpilogue epilogue, CudaEpilogue::bind(matmul, problem.fusion.rest));
  return std::unique_ptr<Kernel>(std::make_unique<MatMulKernel>(
      std::move(problem), algorithm, std::move(epilogue), handle, result));
}

const backends::Tactic& cublaslt_matmul() {
  static const MatMulTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
