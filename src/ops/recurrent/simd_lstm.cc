// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/simd_lstm.h"

#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/gemm.h"
#include "backends/cpu/simd/lstm.h"
#include "ops/recurrent/recurrent.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::PackedConstant;
using backends::TensorView;

constexpr int64_t kGates = 4;
constexpr size_t kW = 1, kR = 2, kB = 3, kLengths = 4, kInitialH = 5, kInitialC = 6;

const simd::LstmKernel& lstm() { return simd::lstm_kernel(simd::active()); }
// The product of the inputs runs on the recurrent kernel's gemm, so that one name tells both forms.
const simd::GemmKernel& gemm() { return *lstm().gemm; }

// Packed weights say which kernel they are for.
std::string format_of_w() { return std::string("lstm_w.") + gemm().packed_layout; }
std::string format_of_r() { return std::string("lstm_r.") + gemm().packed_layout; }

Result<RecurrentShape> shape_of(const NodeFacts& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const RecurrentShape shape,
                            recurrent_shape(node.attributes, node.inputs[0].shape,
                                            node.inputs[kW].shape, node.inputs[kR].shape, kGates));
  std::vector<const Shape*> shapes(node.inputs.size(), nullptr);
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (node.has_input(i)) shapes[i] = &node.inputs[i].shape;
  }
  PENSTOCK_RETURN_IF_ERROR(check_optional_inputs(shapes, shape, kGates));
  return shape;
}

size_t floats_of_w(const RecurrentShape& shape) {
  return simd::gemm_packed_b_floats(shape.input_size, kGates * shape.hidden, gemm().nr);
}

size_t floats_of_r(const RecurrentShape& shape) {
  return simd::lstm_packed_recurrent_floats(lstm(), shape.hidden);
}

// The two biases of each gate, added. [directions, 4 * hidden]
std::vector<float> joined_bias(const NodeFacts& node, const RecurrentShape& shape) {
  const int64_t rows = kGates * shape.hidden;
  std::vector<float> joined(shape.directions * rows, 0.0f);
  if (!node.has_input(kB)) return joined;
  const float* bias = static_cast<const float*>(node.inputs[kB].data);
  for (int64_t d = 0; d < shape.directions; ++d) {
    for (int64_t i = 0; i < rows; ++i) {
      joined[d * rows + i] = bias[2 * d * rows + i] + bias[(2 * d + 1) * rows + i];
    }
  }
  return joined;
}

// First X W^T + b of all steps as one product for each direction, then the recurrence, where
// directions and rows of the batch are independent tasks.
class LstmKernel : public Kernel {
 public:
  LstmKernel(const NodeFacts& node, const RecurrentShape& shape)
      : shape_(shape), bias_(joined_bias(node, shape)), threads_(node.threads) {
    for (int64_t d = 0; d < shape.directions; ++d) {
      backwards_.push_back(runs_backwards(node.attributes, d));
    }
    const int share = std::max<int>(1, threads_ / static_cast<int>(shape.directions));
    rows_ = std::max<int64_t>(1, simd::lstm_rows_per_call(shape.batch, share));
    blocks_ = (shape.batch + rows_ - 1) / rows_;
    gates_floats_ = shape.steps * shape.batch * kGates * shape.hidden;
    task_floats_ = simd::lstm_workspace_floats(rows_, shape.hidden);
  }

  size_t workspace_bytes() const override {
    const size_t tasks = static_cast<size_t>(shape_.directions * blocks_);
    return sizeof(float) * (shape_.directions * gates_floats_ + tasks * task_floats_);
  }

  Status run(KernelRun& run) const override {
    float* y = nullptr;
    float* final_h = nullptr;
    float* final_c = nullptr;
    PENSTOCK_RETURN_IF_ERROR(optional_output(run, 0, shape_.y(), y));
    PENSTOCK_RETURN_IF_ERROR(optional_output(run, 1, shape_.state(), final_h));
    PENSTOCK_RETURN_IF_ERROR(optional_output(run, 2, shape_.state(), final_c));
    const ThreadTeam& team = backends::team_of(run.stream());
    float* gates = static_cast<float*>(run.workspace());
    for (int64_t d = 0; d < shape_.directions; ++d) project(run, team, d, gates);
    float* scratch = gates + shape_.directions * gates_floats_;
    const int64_t tasks = shape_.directions * blocks_;
    team.parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        simd::LstmArgs args = arguments(run, task % shape_.directions, gates);
        const int64_t d = task % shape_.directions;
        if (y != nullptr) args.y = y + shape_.y_offset(0, d, 0);
        if (final_h != nullptr) args.final_h = final_h + shape_.state_offset(d, 0);
        if (final_c != nullptr) args.final_c = final_c + shape_.state_offset(d, 0);
        const int64_t first = task / shape_.directions * rows_;
        lstm().run(args, first, std::min(first + rows_, shape_.batch),
                   scratch + task * static_cast<int64_t>(task_floats_));
      }
    });
    return Status::ok();
  }

 private:
  static Status optional_output(KernelRun& run, size_t i, const Shape& shape, float*& data) {
    if (!run.has_output(i)) return Status::ok();
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView view, run.output(i, shape));
    data = view.as<float>();
    return Status::ok();
  }

  static const float* optional_input(const KernelRun& run, size_t i) {
    return run.has_input(i) ? run.input(i).as<const float>() : nullptr;
  }

  void project(const KernelRun& run, const ThreadTeam& team, int64_t d, float* gates) const {
    simd::GemmArgs args;
    args.m = shape_.steps * shape_.batch;
    args.n = kGates * shape_.hidden;
    args.k = shape_.input_size;
    args.a = run.input(0).as<const float>();
    args.lda = shape_.input_size;
    args.packed_b = run.input(kW).as<const float>() + d * floats_of_w(shape_);
    args.c = gates + d * gates_floats_;
    args.ldc = args.n;
    args.steps[0].kind = simd::GemmStepKind::kBiasPerColumn;
    args.steps[0].data = bias_.data() + d * args.n;
    args.step_count = 1;
    const simd::GemmGrid grid = simd::gemm_grid(gemm(), args, threads_);
    team.parallel_for(grid.tiles(), 1, [&](int64_t begin, int64_t end) {
      gemm().run(args, grid, begin, end, nullptr);
    });
  }

  // The gates lie as X does: [steps, batch] or [batch, steps].
  simd::LstmArgs arguments(const KernelRun& run, int64_t d, const float* gates) const {
    const int64_t row = kGates * shape_.hidden;
    simd::LstmArgs args;
    args.steps = shape_.steps;
    args.hidden = shape_.hidden;
    args.inputs = gates + d * gates_floats_;
    args.inputs_step_stride = shape_.batch_first ? row : shape_.batch * row;
    args.inputs_row_stride = shape_.batch_first ? shape_.steps * row : row;
    args.packed_r = run.input(kR).as<const float>() + d * floats_of_r(shape_);
    args.initial_h = optional_input(run, kInitialH);
    args.initial_c = optional_input(run, kInitialC);
    if (args.initial_h != nullptr) args.initial_h += shape_.state_offset(d, 0);
    if (args.initial_c != nullptr) args.initial_c += shape_.state_offset(d, 0);
    if (run.has_input(kLengths)) args.lengths = run.input(kLengths).as<const int32_t>();
    args.reverse = backwards_[d];
    args.y_step_stride = shape_.y_offset(1, 0, 0) - shape_.y_offset(0, 0, 0);
    args.y_row_stride = shape_.y_offset(0, 0, 1) - shape_.y_offset(0, 0, 0);
    return args;
  }

  RecurrentShape shape_;
  std::vector<float> bias_;
  int threads_;
  std::vector<bool> backwards_;
  int64_t rows_;    // of the batch in one task
  int64_t blocks_;  // tasks of one direction
  int64_t gates_floats_;
  size_t task_floats_;
};

class LstmTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.lstm"; }

  Offer offer(const NodeFacts& node) const override {
    if (node.inputs[0].dtype != DataType::kFloat32) return Offer::refuse("only float32");
    if (node.has_input(7)) return Offer::refuse("peepholes");
    for (std::string_view name : {"activations", "clip", "input_forget"}) {
      if (node.attributes.has(name) && !is_default(node.attributes, name)) {
        return Offer::refuse("attribute " + std::string(name));
      }
    }
    for (size_t i : {kW, kR, kB}) {
      if (node.has_input(i) && node.inputs[i].data == nullptr) {
        return Offer::refuse("the weights are not constant");
      }
    }
    if (node.has_input(kLengths) && node.inputs[kLengths].dtype != DataType::kInt32) {
      return Offer::refuse("sequence_lens is not int32");
    }
    const Result<RecurrentShape> shape = shape_of(node);
    if (!shape.is_ok()) return Offer::refuse(shape.status().message());
    const bool has_states = node.has_input(kInitialH) || node.has_input(kInitialC) ||
                            node.has_output(1) || node.has_output(2);
    if (shape->batch_first && shape->directions == 2 && has_states) {
      return Offer::refuse("states of two directions interleaved with the batch");
    }
    return Offer::plain(node);
  }

  Result<std::vector<PackedConstant>> pack(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const RecurrentShape shape, shape_of(node));
    const int64_t rows = kGates * shape.hidden;
    const auto* w = static_cast<const float*>(node.inputs[kW].data);
    const auto* r = static_cast<const float*>(node.inputs[kR].data);
    std::vector<float> packed_w(shape.directions * floats_of_w(shape));
    std::vector<float> packed_r(shape.directions * floats_of_r(shape));
    for (int64_t d = 0; d < shape.directions; ++d) {
      simd::gemm_pack_b(w + d * rows * shape.input_size, shape.input_size, true, shape.input_size,
                        rows, gemm().nr, packed_w.data() + d * floats_of_w(shape));
      simd::lstm_pack_recurrent(lstm(), r + d * rows * shape.hidden, shape.hidden,
                                packed_r.data() + d * floats_of_r(shape));
    }
    return std::vector<PackedConstant>{{kW, as_constant(packed_w), format_of_w()},
                                       {kR, as_constant(packed_r), format_of_r()}};
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    if (node.inputs[kW].format != format_of_w() || node.inputs[kR].format != format_of_r()) {
      return Status(StatusCode::kInvalidPlan, "node '" + node.name + "': weights packed as " +
                                                  node.inputs[kW].format + ", this machine takes " +
                                                  format_of_w() + ": build the plan again");
    }
    PENSTOCK_ASSIGN_OR_RETURN(const RecurrentShape shape, shape_of(node));
    return std::unique_ptr<Kernel>(std::make_unique<LstmKernel>(node, shape));
  }

 private:
  static bool is_default(const ir::Attributes& attributes, std::string_view name) {
    if (name == "clip") return attributes.get_float(name) == 0.0f;
    if (name == "input_forget") return attributes.get_int(name) == 0;
    const auto* names = std::get_if<std::vector<std::string>>(&attributes.all().find(name)->second);
    constexpr std::string_view kDefaults[] = {"Sigmoid", "Tanh", "Tanh"};
    for (size_t i = 0; names != nullptr && i < names->size(); ++i) {
      if ((*names)[i] != kDefaults[i % 3]) return false;
    }
    return names != nullptr;
  }

  static ir::ConstantRef as_constant(const std::vector<float>& values) {
    return ir::make_constant(DataType::kFloat32, {static_cast<int64_t>(values.size())}, values);
  }
};

}  // namespace

const backends::Tactic& simd_lstm() {
  static const LstmTactic kTactic;
  return kTactic;
}

TacticList recurrent_simd_tactics() { return {{"LSTM", &simd_lstm()}}; }

}  // namespace penstock::ops
