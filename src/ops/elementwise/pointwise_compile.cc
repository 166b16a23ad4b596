// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/pointwise_compile.h"

#include <algorithm>
#include <utility>

namespace penstock::ops {
namespace {

using Argument = PointwiseArgument;
using Kind = PointwiseArgument::Kind;
using simd::PointwiseInstr;
using Op = simd::PointwiseOp;

// One instruction before registers are chosen; a kResult argument is an index of another step.
struct Step {
  Op op;
  std::vector<Argument> args;
  float imm0 = 0;
  float imm1 = 0;
  bool live = false;
};

constexpr std::pair<std::string_view, Op> kDirect[] = {
    {"abs", Op::kAbs},
    {"neg", Op::kNeg},
    {"exp", Op::kExp},
    {"log", Op::kLog},
    {"sqrt", Op::kSqrt},
    {"reciprocal", Op::kReciprocal},
    {"floor", Op::kFloor},
    {"ceil", Op::kCeil},
    {"round", Op::kRound},
    {"sign", Op::kSign},
    {"sin", Op::kSin},
    {"cos", Op::kCos},
    {"erf", Op::kErf},
    {"tanh", Op::kTanh},
    {"sigmoid", Op::kSigmoid},
    {"relu", Op::kRelu},
    {"softplus", Op::kSoftplus},
    {"gelu", Op::kGelu},
    {"gelu_tanh", Op::kGeluTanh},
    {"mish", Op::kMish},
    {"silu", Op::kSilu},
    {"leaky_relu", Op::kLeakyRelu},
    {"elu", Op::kElu},
    {"hard_sigmoid", Op::kHardSigmoid},
    {"clip", Op::kClip},
    {"is_nan", Op::kIsNan},
    {"not", Op::kNot},
    {"add", Op::kAdd},
    {"sub", Op::kSub},
    {"mul", Op::kMul},
    {"div", Op::kDiv},
    {"pow", Op::kPow},
    {"min", Op::kMin},
    {"max", Op::kMax},
    {"prelu", Op::kPrelu},
    {"equal", Op::kEqual},
    {"less", Op::kLess},
    {"less_or_equal", Op::kLessEqual},
    {"greater", Op::kGreater},
    {"greater_or_equal", Op::kGreaterEqual},
    {"and", Op::kAnd},
    {"or", Op::kOr},
    {"xor", Op::kXor},
    {"where", Op::kSelect},
};

Argument literal(float value) { return {Kind::kLiteral, 0, value}; }

// Measured roughly, against an addition on data in the L1 cache.
double cost_of(Op op) {
  switch (op) {
    case Op::kLoad:
    case Op::kConst:
    case Op::kStore: return 0;
    case Op::kSin:
    case Op::kCos:
    case Op::kPow: return 40;
    case Op::kDiv:
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kReciprocal: return 3;
    case Op::kExp:
    case Op::kLog:
    case Op::kTanh:
    case Op::kSigmoid:
    case Op::kSilu:
    case Op::kErf:
    case Op::kGelu:
    case Op::kGeluTanh:
    case Op::kSoftplus:
    case Op::kMish:
    case Op::kElu: return 10;
    default: return 1;
  }
}

class Compiler {
 public:
  Result<CompiledPointwise> compile(const PointwiseProgram& program) {
    for (const PointwiseCall& call : program.calls) {
      PENSTOCK_ASSIGN_OR_RETURN(const Argument result, expand(call));
      results_.push_back(result);
    }
    mark_live();
    fuse_multiply_add();
    mark_live();
    PENSTOCK_RETURN_IF_ERROR(allocate());
    return std::move(compiled_);
  }

 private:
  Argument emit(Op op, std::vector<Argument> args, float imm0 = 0, float imm1 = 0) {
    steps_.push_back({op, std::move(args), imm0, imm1});
    return {Kind::kResult, static_cast<int>(steps_.size()) - 1, 0};
  }

  Result<Argument> expand(const PointwiseCall& call) {
    std::vector<Argument> args = call.operands;
    for (Argument& arg : args) {
      if (arg.kind == Kind::kResult) arg = results_[arg.index];
    }
    const std::vector<float>& p = call.parameters;
    for (const auto& [name, op] : kDirect) {
      if (name != call.function->name) continue;
      return emit(op, std::move(args), p.empty() ? 0 : p[0], p.size() < 2 ? 0 : p[1]);
    }
    return expand_composite(call.function->name, args[0], p);
  }

  // Functions that the interpreter has no instruction for.
  Result<Argument> expand_composite(std::string_view name, Argument x,
                                    const std::vector<float>& p) {
    if (name == "hard_swish") return emit(Op::kHardSwish, {x}, 1.0f / 6, 0.5f);
    if (name == "swish") {
      return emit(Op::kMul, {x, emit(Op::kSigmoid, {emit(Op::kMul, {x, literal(p[0])})})});
    }
    if (name == "softsign") {
      return emit(Op::kDiv, {x, emit(Op::kAdd, {emit(Op::kAbs, {x}), literal(1)})});
    }
    if (name == "selu") return emit(Op::kMul, {emit(Op::kElu, {x}, p[0]), literal(p[1])});
    if (name == "celu" && p[0] > 0) {
      const Argument scaled = emit(Op::kDiv, {x, literal(p[0])});
      return emit(Op::kMul, {emit(Op::kElu, {scaled}, 1.0f), literal(p[0])});
    }
    if (name == "thresholded_relu") {
      return emit(Op::kSelect, {emit(Op::kGreater, {x, literal(p[0])}), x, literal(0)});
    }
    if (name == "shrink") {
      const Argument down = emit(Op::kSub, {x, literal(p[1])});
      const Argument up = emit(Op::kAdd, {x, literal(p[1])});
      const Argument above = emit(Op::kGreater, {x, literal(p[0])});
      const Argument below = emit(Op::kLess, {x, literal(-p[0])});
      const Argument upper = emit(Op::kSelect, {above, down, literal(0)});
      return emit(Op::kSelect, {below, up, upper});
    }
    return Status(StatusCode::kUnsupported, "no vector code for " + std::string(name));
  }

  void mark_live() {
    for (Step& step : steps_) step.live = false;
    uses_.assign(steps_.size(), 0);
    last_use_.assign(steps_.size(), -1);
    steps_[results_.back().index].live = true;
    for (int i = static_cast<int>(steps_.size()) - 1; i >= 0; --i) {
      if (!steps_[i].live) continue;
      for (const Argument& arg : steps_[i].args) {
        if (arg.kind != Kind::kResult) continue;
        steps_[arg.index].live = true;
        ++uses_[arg.index];
        last_use_[arg.index] = std::max(last_use_[arg.index], i);
      }
    }
  }

  // a * b + c is one instruction where nothing else wants the product.
  void fuse_multiply_add() {
    for (Step& step : steps_) {
      if (!step.live || step.op != Op::kAdd) continue;
      for (int side = 0; side < 2; ++side) {
        const Argument product = step.args[side];
        if (product.kind != Kind::kResult || uses_[product.index] != 1) continue;
        const Step& multiply = steps_[product.index];
        if (multiply.op != Op::kMul) continue;
        step.args = {multiply.args[0], multiply.args[1], step.args[1 - side]};
        step.op = Op::kFma;
        break;
      }
    }
  }

  // Inputs and literals are loaded where they are used: that costs nothing in the interpreter, and
  // keeps registers free.
  Status allocate() {
    registers_.assign(steps_.size(), -1);
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].live) PENSTOCK_RETURN_IF_ERROR(allocate_step(static_cast<int>(i)));
    }
    const auto result = static_cast<uint8_t>(registers_[results_.back().index]);
    compiled_.instrs.push_back({Op::kStore, 0, result});
    if (compiled_.inputs.size() > simd::kMaxPointwiseInputs) {
      return {StatusCode::kUnsupported,
              "the program has more than " + std::to_string(simd::kMaxPointwiseInputs) + " inputs"};
    }
    return Status::ok();
  }

  Status allocate_step(int index) {
    const Step& step = steps_[index];
    uint8_t operands[3] = {};
    std::vector<int> temporaries;
    for (size_t k = 0; k < step.args.size(); ++k) {
      const Argument& arg = step.args[k];
      int reg = arg.kind == Kind::kResult ? registers_[arg.index] : -1;
      for (size_t j = 0; j < k && reg < 0; ++j) {
        if (step.args[j] == arg) reg = operands[j];
      }
      if (reg < 0) {
        PENSTOCK_ASSIGN_OR_RETURN(reg, take_register());
        temporaries.push_back(reg);
        load(arg, static_cast<uint8_t>(reg));
      }
      operands[k] = static_cast<uint8_t>(reg);
    }
    for (int reg : temporaries) in_use_[reg] = false;
    for (const Argument& arg : step.args) {
      const bool ends = arg.kind == Kind::kResult && last_use_[arg.index] == index;
      if (ends) in_use_[registers_[arg.index]] = false;
    }
    PENSTOCK_ASSIGN_OR_RETURN(registers_[index], take_register());
    compiled_.instrs.push_back({step.op, static_cast<uint8_t>(registers_[index]), operands[0],
                                operands[1], operands[2], step.imm0, step.imm1});
    compiled_.cost += cost_of(step.op);
    return Status::ok();
  }

  void load(const Argument& arg, uint8_t reg) {
    if (arg.kind == Kind::kLiteral) {
      compiled_.instrs.push_back({Op::kConst, reg, 0, 0, 0, arg.value});
      return;
    }
    auto& inputs = compiled_.inputs;
    auto found = std::find(inputs.begin(), inputs.end(), arg.index);
    if (found == inputs.end()) found = inputs.insert(found, arg.index);
    compiled_.instrs.push_back({Op::kLoad, reg, static_cast<uint8_t>(found - inputs.begin())});
  }

  Result<int> take_register() {
    auto* free = std::find(std::begin(in_use_), std::end(in_use_), false);
    if (free == std::end(in_use_)) {
      return Status(StatusCode::kUnsupported, "the program needs more than " +
                                                  std::to_string(simd::kMaxPointwiseRegisters) +
                                                  " values at once");
    }
    *free = true;
    return static_cast<int>(free - std::begin(in_use_));
  }

  std::vector<Step> steps_;
  std::vector<Argument> results_;  // of the calls
  std::vector<int> uses_;
  std::vector<int> last_use_;
  std::vector<int> registers_;  // of the steps
  bool in_use_[simd::kMaxPointwiseRegisters] = {};
  CompiledPointwise compiled_;
};

}  // namespace

Result<CompiledPointwise> compile_pointwise(const PointwiseProgram& program) {
  return Compiler().compile(program);
}

}  // namespace penstock::ops
