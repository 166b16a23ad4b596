// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/reduction/simd_reduce.h"

#include <cmath>

#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/rows.h"
#include "ops/parallel_slots.h"
#include "ops/reduction/reduction.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;
using simd::ReduceOp;

// Reduces the middle of [outer, extent, inner].
struct Step {
  ReduceOp op;
  int64_t outer = 1;
  int64_t extent = 1;
  int64_t inner = 1;
  int64_t parts = 1;  // > 1 with outer 1: the extent is cut into that many, each its own result
  int64_t results() const { return outer * parts * inner; }
};

// What is left to do with each result.
enum class Finish : uint8_t { kNothing, kDivide, kRoot, kLog };

struct Recipe {
  ReduceOp first;    // from elements to partial results
  ReduceOp combine;  // partial results with each other
  Finish finish;
};

std::optional<Recipe> recipe_of(std::string_view op) {
  const std::optional<Reduction> reduction = find_reduction(op);
  if (!reduction) return std::nullopt;
  switch (*reduction) {
    case Reduction::kSum: return Recipe{ReduceOp::kSum, ReduceOp::kSum, Finish::kNothing};
    case Reduction::kMean: return Recipe{ReduceOp::kSum, ReduceOp::kSum, Finish::kDivide};
    case Reduction::kMax: return Recipe{ReduceOp::kMax, ReduceOp::kMax, Finish::kNothing};
    case Reduction::kMin: return Recipe{ReduceOp::kMin, ReduceOp::kMin, Finish::kNothing};
    case Reduction::kProd: return Recipe{ReduceOp::kProd, ReduceOp::kProd, Finish::kNothing};
    case Reduction::kSumSquare:
      return Recipe{ReduceOp::kSumSquares, ReduceOp::kSum, Finish::kNothing};
    case Reduction::kL2: return Recipe{ReduceOp::kSumSquares, ReduceOp::kSum, Finish::kRoot};
    case Reduction::kLogSum: return Recipe{ReduceOp::kSum, ReduceOp::kSum, Finish::kLog};
    default: return std::nullopt;
  }
}

// One run of neighbouring axes that are all reduced or all kept.
struct Group {
  int64_t extent;
  bool reduced;
};

std::vector<Group> group_axes(const Shape& shape, const std::vector<bool>& reduced) {
  std::vector<Group> groups;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    if (groups.empty() || groups.back().reduced != reduced[i]) {
      groups.push_back({shape[i], reduced[i]});
    } else {
      groups.back().extent *= shape[i];
    }
  }
  return groups;
}

// A long reduction to few results is worth splitting between threads: partial results first.
void add_step(std::vector<Step>& steps, Step step, ReduceOp combine, int threads) {
  const int64_t work = step.extent * step.inner;
  const bool split = threads > 1 && step.outer == 1 && step.inner < 64 && work >= 65536;
  if (!split) {
    steps.push_back(step);
    return;
  }
  step.parts = threads;
  steps.push_back(step);
  steps.push_back({combine, 1, threads, step.inner, 1});
}

// From the innermost reduced axes outwards: each step leaves fewer elements.
std::vector<Step> plan_steps(std::vector<Group> groups, const Recipe& recipe, int threads) {
  std::vector<Step> steps;
  ReduceOp op = recipe.first;
  int64_t inner = 1;
  while (!groups.empty()) {
    const Group last = groups.back();
    groups.pop_back();
    if (!last.reduced) {
      inner *= last.extent;
      continue;
    }
    int64_t outer = 1;
    for (const Group& group : groups) outer *= group.extent;
    add_step(steps, {op, outer, last.extent, inner, 1}, recipe.combine, threads);
    op = recipe.combine;
  }
  // Nothing to reduce: a reduction of single elements.
  if (steps.empty()) steps.push_back({op, inner, 1, 1, 1});
  return steps;
}

class ReduceKernel : public Kernel {
 public:
  ReduceKernel(std::vector<Step> steps, Shape shape, Finish finish, int64_t count)
      : steps_(std::move(steps)), shape_(std::move(shape)), finish_(finish), count_(count) {
    for (size_t i = 0; i + 1 < steps_.size(); ++i) {
      largest_ = std::max(largest_, steps_[i].results());
    }
  }

  // Two buffers that steps read and write in turn.
  size_t workspace_bytes() const override { return 2 * sizeof(float) * largest_; }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    const ThreadTeam& team = backends::team_of(run.stream());
    float* workspace = static_cast<float*>(run.workspace());
    const float* from = run.input(0).as<const float>();
    for (size_t i = 0; i < steps_.size(); ++i) {
      const bool last = i + 1 == steps_.size();
      float* to = last ? y.as<float>() : workspace + (i % 2) * largest_;
      reduce(team, steps_[i], from, to);
      from = to;
    }
    finish(y.as<float>(), y.count());
    return Status::ok();
  }

 private:
  void reduce(const ThreadTeam& team, const Step& step, const float* x, float* y) const {
    if (step.parts > 1) {
      team.parallel_for(step.parts, 1, [&](int64_t first, int64_t last) {
        for (int64_t part = first; part < last; ++part) {
          const int64_t begin = step.extent * part / step.parts;
          const int64_t end = step.extent * (part + 1) / step.parts;
          block(step, x + begin * step.inner, end - begin, y + part * step.inner, step.inner);
        }
      });
    } else if (step.inner == 1) {
      team.parallel_for(step.outer, rows_per_thread(step.extent), [&](int64_t begin, int64_t end) {
        kernels_.reduce_rows(step.op, x + begin * step.extent, y + begin, end - begin, step.extent);
      });
    } else if (step.outer > 1) {
      const int64_t size = step.extent * step.inner;
      team.parallel_for(step.outer, rows_per_thread(size), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          block(step, x + i * size, step.extent, y + i * step.inner, step.inner);
        }
      });
    } else {
      team.parallel_for(step.inner, std::max<int64_t>(16, rows_per_thread(step.extent)),
                        [&](int64_t begin, int64_t end) {
                          block(step, x + begin, step.extent, y + begin, end - begin);
                        });
    }
  }

  // Down the columns of [extent, columns] out of rows of step.inner.
  void block(const Step& step, const float* x, int64_t extent, float* y, int64_t columns) const {
    if (step.inner == 1) {
      kernels_.reduce_rows(step.op, x, y, 1, extent);
    } else {
      kernels_.reduce_columns(step.op, x, step.inner, y, extent, columns);
    }
  }

  void finish(float* y, int64_t count) const {
    const float divisor = static_cast<float>(count_);
    for (int64_t i = 0; finish_ != Finish::kNothing && i < count; ++i) {
      y[i] = finish_ == Finish::kDivide ? y[i] / divisor
             : finish_ == Finish::kRoot ? std::sqrt(y[i])
                                        : std::log(y[i]);
    }
  }

  const simd::RowKernels& kernels_ = simd::row_kernels();
  std::vector<Step> steps_;
  Shape shape_;
  Finish finish_;
  int64_t count_;  // elements in each result
  int64_t largest_ = 0;
};

// Axes must be known when binding: as an attribute, or as a constant input.
std::optional<std::vector<int64_t>> known_axes(const NodeFacts& node) {
  if (node.attributes.has("axes")) return node.attributes.get_ints("axes");
  if (!node.has_input(1)) return std::vector<int64_t>();
  const backends::Operand& axes = node.inputs[1];
  if (axes.data == nullptr) return std::nullopt;
  return read_int64s({axes.dtype, axes.layout, &axes.shape, const_cast<void*>(axes.data)});
}

class ReduceTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.reduce"; }

  Offer offer(const NodeFacts& node) const override {
    if (node.inputs[0].dtype != DataType::kFloat32) return Offer::refuse("only float32");
    if (!recipe_of(node.op)) return Offer::refuse("no vector kernel for " + node.op);
    if (!known_axes(node)) return Offer::refuse("the axes are known only at run time");
    return Offer::plain(node);
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    const Shape& shape = node.inputs[0].shape;
    const std::optional<Recipe> recipe = recipe_of(node.op);
    const std::optional<std::vector<int64_t>> axes = known_axes(node);
    if (!recipe || !axes) {
      return Status(StatusCode::kInternal, "simd.reduce bound to a node that it refuses");
    }
    PENSTOCK_ASSIGN_OR_RETURN(
        const std::vector<bool> reduced,
        reduced_axes(node.attributes, *axes, static_cast<int64_t>(shape.size())));
    int64_t count = 1;
    for (size_t i = 0; i < shape.size(); ++i) count *= reduced[i] ? shape[i] : 1;
    const bool keepdims = node.attributes.get_int("keepdims", 1) != 0;
    return std::unique_ptr<Kernel>(std::make_unique<ReduceKernel>(
        plan_steps(group_axes(shape, reduced), *recipe, node.threads),
        reduced_shape(shape, reduced, keepdims), recipe->finish, count));
  }
};

}  // namespace

const backends::Tactic& simd_reduce() {
  static const ReduceTactic kTactic;
  return kTactic;
}

TacticList reduction_simd_tactics() {
  TacticList tactics;
  for (const OpDefinition* op : reduce_ops()) tactics.emplace_back(op->name, &simd_reduce());
  return tactics;
}

}  // namespace penstock::ops
