// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/simd_matmul.h"

#include <omp.h>

#include <algorithm>

#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/gemm.h"
#include "ops/elementwise/broadcast.h"
#include "ops/epilogue.h"
#include "ops/matmul/flat_matmul.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::Form;
using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::Operand;
using backends::PackedConstant;
using simd::GemmArgs;
using simd::GemmKernel;
using simd::GemmStep;
using simd::GemmStepKind;

// A pointer of a GemmArgs: the node's input and how far its matrices lie apart on each batch axis.
struct Source {
  int input = -1;  // -1: the result
  std::vector<int64_t> strides;
};

// A node as a product: `args` lacks only addresses. Batch axes that every operand steps over evenly
// are one; the innermost is GemmArgs::batch, the others are looped over.
struct Plan {
  GemmArgs args;
  Shape batch;
  Source a, b, c;
  Source steps[simd::kMaxGemmSteps];  // of the steps that read an input
  Shape result;
  bool b_is_shared = false;  // one matrix for all batch items
};

Status refuse(std::string reason) { return {StatusCode::kUnsupported, std::move(reason)}; }

Result<GemmStep> activation(const EpilogueStep& step) {
  using Kind = EpilogueStep::Kind;
  GemmStep result{};
  switch (step.kind) {
    case Kind::kRelu: result.kind = GemmStepKind::kRelu; return result;
    case Kind::kGelu: result.kind = GemmStepKind::kGeluErf; return result;
    case Kind::kGeluTanh: result.kind = GemmStepKind::kGeluTanh; return result;
    case Kind::kSilu: result.kind = GemmStepKind::kSilu; return result;
    case Kind::kSigmoid: result.kind = GemmStepKind::kSigmoid; return result;
    case Kind::kTanh: result.kind = GemmStepKind::kTanh; return result;
    case Kind::kHardSwish: result.kind = GemmStepKind::kHardSwish; return result;
    case Kind::kClip:
      result.kind = GemmStepKind::kClip;
      result.lo = step.a;
      result.hi = step.b;
      return result;
    default: return refuse("the kernel has no " + print_epilogue({step}));
  }
}

class PlanBuilder {
 public:
  explicit PlanBuilder(const NodeFacts& node) : node_(node) {}

  Result<Plan> build() {
    for (const Operand& operand : node_.inputs) {
      if (operand.present && operand.dtype != DataType::kFloat32) {
        return refuse("multiplies float32, not " + std::string(to_string(operand.dtype)));
      }
    }
    PENSTOCK_ASSIGN_OR_RETURN(flat_, flatten_matmul(node_));
    if (flat_.m * flat_.n * flat_.k * element_count(flat_.batch) == 0) {
      return refuse("an empty product");
    }
    set_matrices();
    if (node_.has_input(2)) PENSTOCK_RETURN_IF_ERROR(add_operand(2));
    PENSTOCK_ASSIGN_OR_RETURN(const Epilogue epilogue,
                              parse_epilogue(node_.attributes.get_string("epilogue")));
    for (const EpilogueStep& step : epilogue) {
      if (step.kind == EpilogueStep::Kind::kAdd) {
        PENSTOCK_RETURN_IF_ERROR(add_operand(step.input));
        continue;
      }
      PENSTOCK_ASSIGN_OR_RETURN(const GemmStep gemm_step, activation(step));
      PENSTOCK_RETURN_IF_ERROR(add_step(gemm_step, {}));
    }
    merge_batch_axes();
    return std::move(plan_);
  }

 private:
  void set_matrices() {
    GemmArgs& args = plan_.args;
    args.m = flat_.m;
    args.n = flat_.n;
    args.k = flat_.k;
    args.trans_a = flat_.trans_a;
    args.trans_b = flat_.trans_b;
    args.lda = flat_.trans_a ? flat_.a_column : flat_.a_row;
    args.ldb = flat_.trans_b ? flat_.b_column : flat_.b_row;
    args.ldc = flat_.n;
    args.alpha = flat_.alpha;
    plan_.batch = flat_.batch;
    plan_.a = {0, flat_.a_batch_strides};
    plan_.b = {1, flat_.b_batch_strides};
    plan_.c = {-1, strides_of(flat_.batch)};
    for (int64_t& stride : plan_.c.strides) stride *= flat_.m * flat_.n;
    plan_.b_is_shared = std::all_of(plan_.b.strides.begin(), plan_.b.strides.end(),
                                    [](int64_t stride) { return stride == 0; });
    plan_.result = node_.outputs[0].shape;
  }

  Status add_step(const GemmStep& step, Source source) {
    if (plan_.args.step_count == simd::kMaxGemmSteps) return refuse("has too many steps");
    plan_.steps[plan_.args.step_count] = std::move(source);
    plan_.args.steps[plan_.args.step_count++] = step;
    return Status::ok();
  }

  // An addition of input i: a row, a column or a matrix for each batch item, or for all.
  Status add_operand(int i) {
    if (!node_.has_input(i)) return refuse("operand " + std::to_string(i) + " is missing");
    PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, flat_.operand_shape(node_.inputs[i].shape));
    const int64_t rows = shape[shape.size() - 2];
    const int64_t columns = shape.back();
    GemmStep step{};
    if (rows == 1 && columns == flat_.n) {
      step.kind = GemmStepKind::kBiasPerColumn;
    } else if (rows == flat_.m && columns == 1) {
      step.kind = GemmStepKind::kBiasPerRow;
    } else if (rows == flat_.m && columns == flat_.n) {
      step.kind = GemmStepKind::kAddMatrix;
      step.ld = flat_.n;
    } else {
      return refuse("the kernel adds no operand of shape " + to_string(node_.inputs[i].shape));
    }
    const Shape batch(shape.begin(), shape.end() - 2);
    if (!broadcasts_to(batch, flat_.batch)) {
      return refuse("an operand of shape " + to_string(node_.inputs[i].shape) +
                    " does not broadcast to the product");
    }
    Source source{i, broadcast_strides(batch, flat_.batch)};
    for (int64_t& stride : source.strides) stride *= rows * columns;
    return add_step(step, std::move(source));
  }

  std::vector<Source*> sources() {
    std::vector<Source*> all = {&plan_.a, &plan_.b, &plan_.c};
    for (int i = 0; i < plan_.args.step_count; ++i) {
      if (plan_.steps[i].input >= 0) all.push_back(&plan_.steps[i]);
    }
    return all;
  }

  void merge_batch_axes() {
    const std::vector<Source*> all = sources();
    for (size_t axis = plan_.batch.size(); axis-- > 1;) {
      const int64_t extent = plan_.batch[axis];
      const bool is_even = std::all_of(all.begin(), all.end(), [&](const Source* s) {
        return s->strides[axis - 1] == s->strides[axis] * extent;
      });
      if (!is_even) continue;
      plan_.batch[axis - 1] *= extent;
      plan_.batch.erase(plan_.batch.begin() + axis);
      for (Source* s : all) s->strides.erase(s->strides.begin() + axis - 1);
    }
    if (plan_.batch.empty()) {
      plan_.batch = {1};
      for (Source* s : all) s->strides = {0};
    }
    plan_.args.batch = plan_.batch.back();
    plan_.args.a_batch_stride = plan_.a.strides.back();
    plan_.args.b_batch_stride = plan_.b.strides.back();
    plan_.args.c_batch_stride = plan_.c.strides.back();
    for (int i = 0; i < plan_.args.step_count; ++i) {
      if (plan_.steps[i].input >= 0) {
        plan_.args.steps[i].batch_stride = plan_.steps[i].strides.back();
      }
    }
    plan_.batch.pop_back();
    for (Source* s : all) s->strides.pop_back();
  }

  const NodeFacts& node_;
  FlatMatMul flat_;
  Plan plan_;
};

class MatMulKernel : public Kernel {
 public:
  MatMulKernel(Plan plan, const GemmKernel& gemm, bool b_is_packed, int threads)
      : plan_(std::move(plan)), gemm_(gemm), b_is_packed_(b_is_packed), threads_(threads) {
    GemmArgs args = plan_.args;
    const float packed = 0.0f;
    if (b_is_packed_) args.packed_b = &packed;  // only whether there is one matters
    grid_ = simd::gemm_grid(gemm_, args, threads_);
    workspace_floats_ = (simd::gemm_workspace_floats(gemm_, args) + 15) / 16 * 16;
  }

  size_t workspace_bytes() const override {
    return workspace_floats_ * sizeof(float) * static_cast<size_t>(threads_);
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView c, run.output(0, plan_.result));
    const ThreadTeam& team = backends::team_of(run.stream());
    if (plan_.batch.empty()) {
      multiply(run, c.as<float>(), {}, team);
      return Status::ok();
    }
    for_each_index(plan_.batch, [&](const std::vector<int64_t>& index) {
      multiply(run, c.as<float>(), index, team);
    });
    return Status::ok();
  }

 private:
  static const float* at(const KernelRun& run, const Source& source,
                         const std::vector<int64_t>& index) {
    return run.input(source.input).as<const float>() + dot(index, source.strides);
  }

  void multiply(const KernelRun& run, float* c, const std::vector<int64_t>& index,
                const ThreadTeam& team) const {
    GemmArgs args = plan_.args;
    args.a = at(run, plan_.a, index);
    (b_is_packed_ ? args.packed_b : args.b) = at(run, plan_.b, index);
    args.c = c + dot(index, plan_.c.strides);
    for (int i = 0; i < args.step_count; ++i) {
      if (plan_.steps[i].input >= 0) args.steps[i].data = at(run, plan_.steps[i], index);
    }
    auto* workspace = static_cast<float*>(run.workspace());
    team.parallel_for(grid_.tiles(), 1, [&](int64_t begin, int64_t end) {
      const int thread = team.width() > 1 ? omp_get_thread_num() % threads_ : 0;
      gemm_.run(args, grid_, begin, end, workspace + thread * workspace_floats_);
    });
  }

  Plan plan_;
  const GemmKernel& gemm_;
  bool b_is_packed_;
  int threads_;
  simd::GemmGrid grid_;
  size_t workspace_floats_;
};

const GemmKernel* kernel_of_format(const std::string& format) {
  for (simd::Isa isa : {simd::Isa::kBaseline, simd::Isa::kAvx2, simd::Isa::kAvx512}) {
    if (isa > simd::active()) break;
    if (format == simd::gemm_kernel(isa).packed_layout) return &simd::gemm_kernel(isa);
  }
  return nullptr;
}

class MatMulTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.matmul"; }

  Offer offer(const NodeFacts& node) const override {
    const Result<Plan> plan = PlanBuilder(node).build();
    return plan.is_ok() ? Offer::plain(node) : Offer::refuse(plan.status().message());
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    std::vector<PackedConstant> packed;
    if (node.inputs[1].data == nullptr) return packed;
    PENSTOCK_ASSIGN_OR_RETURN(const Plan plan, PlanBuilder(node).build());
    if (!plan.b_is_shared) return packed;
    const GemmArgs& args = plan.args;
    const GemmKernel& gemm = simd::gemm_kernel(simd::active());
    const auto floats = simd::gemm_packed_b_floats(args.k, args.n, gemm.nr);
    ir::ConstantRef data =
        ir::make_constant(DataType::kFloat32, {static_cast<int64_t>(floats)}, nullptr);
    simd::gemm_pack_b(static_cast<const float*>(node.inputs[1].data), args.ldb, args.trans_b,
                      args.k, args.n, gemm.nr,
                      reinterpret_cast<float*>(const_cast<std::byte*>(data->data)));
    packed.push_back({1, std::move(data), gemm.packed_layout});
    return packed;
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(Plan plan, PlanBuilder(node).build());
    const std::string& format = node.inputs[1].format;
    const GemmKernel* gemm =
        format.empty() ? &simd::gemm_kernel(simd::active()) : kernel_of_format(format);
    if (gemm == nullptr) {
      return Status(StatusCode::kInvalidPlan,
                    "weights packed as '" + format + "', which no kernel here reads");
    }
    return std::unique_ptr<Kernel>(
        std::make_unique<MatMulKernel>(std::move(plan), *gemm, !format.empty(), node.threads));
  }

  // A residual that is added element by element is read before its place is written.
  bool can_run_in_place(const NodeFacts& node, size_t input) const override {
    const Result<Plan> plan = PlanBuilder(node).build();
    if (!plan.is_ok() || node.inputs[input].shape != node.outputs[0].shape) return false;
    int uses = 0;
    for (int i = 0; i < plan->args.step_count; ++i) {
      if (plan->steps[i].input != static_cast<int>(input)) continue;
      if (plan->args.steps[i].kind != GemmStepKind::kAddMatrix) return false;
      ++uses;
    }
    return uses == 1 && input > 1;
  }
};

}  // namespace

TacticList matmul_simd_tactics() {
  static const MatMulTactic kTactic;
  return {{"MatMul", &kTactic}};
}

}  // namespace penstock::ops
