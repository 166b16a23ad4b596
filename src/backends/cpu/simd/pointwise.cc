// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/pointwise.h"

#include <algorithm>

#include "backends/cpu/simd/pointwise_block.h"
#include "base/half.h"

namespace penstock::simd {
namespace {

// From this many elements on, a run along the innermost dimension makes blocks of its own; shorter
// ones share a block, and the inputs that do not run through it are copied together.
constexpr int64_t kLongRun = 256;

const PointwiseKernels& kernels_of(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx512: return pointwise_kernels_avx512();
    case Isa::kAvx2: return pointwise_kernels_avx2();
#endif
    default: return pointwise_kernels_baseline();
  }
}

struct Shape {
  int rank = 0;
  int64_t dims[kMaxPointwiseRank];
  int64_t strides[kMaxPointwiseInputs][kMaxPointwiseRank];
};

bool merges(const Shape& shape, int last, const PointwiseOperands& operands, int dim,
            int num_inputs) {
  for (int i = 0; i < num_inputs; ++i) {
    const int64_t stride = operands.inputs[i].strides[dim];
    if (shape.strides[i][last] != stride * operands.dims[dim]) return false;
  }
  return true;
}

// Drops dimensions of size 1 and merges neighbours that every input walks as one.
Shape collapse(const PointwiseOperands& operands, int num_inputs) {
  Shape shape;
  for (int dim = 0; dim < operands.rank; ++dim) {
    if (operands.dims[dim] == 1) continue;
    const int last = shape.rank - 1;
    const bool merge = last >= 0 && merges(shape, last, operands, dim, num_inputs);
    const int to = merge ? last : shape.rank++;
    shape.dims[to] = merge ? shape.dims[to] * operands.dims[dim] : operands.dims[dim];
    for (int i = 0; i < num_inputs; ++i) {
      shape.strides[i][to] = operands.inputs[i].strides[dim];
    }
  }
  if (shape.rank == 0) {
    shape.rank = 1;
    shape.dims[0] = 1;
    for (int i = 0; i < num_inputs; ++i) shape.strides[i][0] = 0;
  }
  return shape;
}

enum class Access : uint8_t { kFlat, kScalar, kGeneral };

Access classify(const Shape& shape, const int64_t* strides) {
  bool flat = true, scalar = true;
  int64_t expected = 1;
  for (int dim = shape.rank - 1; dim >= 0; --dim) {
    flat = flat && strides[dim] == expected;
    scalar = scalar && strides[dim] == 0;
    expected *= shape.dims[dim];
  }
  return flat ? Access::kFlat : scalar ? Access::kScalar : Access::kGeneral;
}

// The instruction that may write output `store.dst` in place of its register, or -1. It must be
// the register's last writer, and nothing after it may read an input, because the output may be
// that input's memory.
int direct_writer(const PointwiseProgram& program, const PointwiseInstr& store) {
  int writer = -1;
  bool reads_input = false;
  bool is_input[kMaxPointwiseRegisters] = {};
  for (int i = 0; i < program.num_instrs; ++i) {
    const PointwiseInstr& instr = program.instrs[i];
    const uint8_t operands[] = {instr.a, instr.b, instr.c};
    for (int k = 0; k < pointwise_arity(instr.op); ++k) reads_input |= is_input[operands[k]];
    if (instr.op == PointwiseOp::kStore) continue;
    is_input[instr.dst] = instr.op == PointwiseOp::kLoad;
    if (instr.dst != store.a) continue;
    const bool computes = pointwise_arity(instr.op) > 0;
    writer = computes ? i : -1;
    reads_input = false;
  }
  return reads_input ? -1 : writer;
}

void find_direct_writers(const PointwiseProgram& program, PointwiseBlock* block) {
  std::fill_n(block->direct, kMaxPointwiseOutputs, -1);
  for (int i = 0; i < program.num_instrs; ++i) {
    const PointwiseInstr& instr = program.instrs[i];
    if (instr.op != PointwiseOp::kStore) continue;
    if (block->output_types[instr.dst] != PointwiseType::kFloat32) continue;
    const int writer = direct_writer(program, instr);
    const int* end = block->direct + kMaxPointwiseOutputs;
    const bool taken = std::find(static_cast<const int*>(block->direct), end, writer) != end;
    if (!taken) block->direct[instr.dst] = writer;
  }
}

float scalar_of(const PointwiseInput& input) {
  switch (input.type) {
    case PointwiseType::kFloat32: return *static_cast<const float*>(input.data);
    case PointwiseType::kBool: return *static_cast<const uint8_t*>(input.data) != 0 ? 1.0f : 0.0f;
    case PointwiseType::kInt8: return *static_cast<const int8_t*>(input.data);
    case PointwiseType::kUInt8: return *static_cast<const uint8_t*>(input.data);
    case PointwiseType::kFloat16: return static_cast<float>(*static_cast<const Half*>(input.data));
    case PointwiseType::kBFloat16:
      return static_cast<float>(*static_cast<const BFloat16*>(input.data));
  }
  return 0.0f;
}

// Walks a range of the output block by block.
class Walker {
 public:
  Walker(const PointwiseProgram& program, const PointwiseOperands& operands, Isa isa)
      : program_(program),
        operands_(operands),
        kernels_(kernels_of(isa)),
        shape_(collapse(operands, program.num_inputs)),
        long_runs_(shape_.dims[shape_.rank - 1] >= kLongRun) {
    block_.program = &program;
    block_.registers = registers_;
    for (int i = 0; i < program.num_outputs; ++i) {
      block_.output_types[i] = operands.outputs[i].type;
    }
    for (int i = 0; i < program.num_inputs; ++i) prepare_input(i);
    find_direct_writers(program, &block_);
  }

  void run(int64_t begin, int64_t end) {
    while (begin < end) {
      locate(begin);
      block_.n = static_cast<int>(block_length(end - begin));
      for (int i = 0; i < program_.num_inputs; ++i) point_input(i, begin);
      for (int i = 0; i < program_.num_outputs; ++i) point_output(i, begin);
      kernels_.run_block(block_);
      begin += block_.n;
    }
  }

 private:
  void prepare_input(int i) {
    const PointwiseInput& input = operands_.inputs[i];
    access_[i] = classify(shape_, shape_.strides[i]);
    if (access_[i] != Access::kScalar) return;
    scalars_[i] = scalar_of(input);
  }

  void locate(int64_t position) {
    for (int dim = shape_.rank - 1; dim >= 0; --dim) {
      coords_[dim] = position % shape_.dims[dim];
      position /= shape_.dims[dim];
    }
  }

  // What is left of the run or the range, in equal blocks that are multiples of a cache line.
  int64_t block_length(int64_t left) const {
    const int last = shape_.rank - 1;
    if (long_runs_) left = std::min(left, shape_.dims[last] - coords_[last]);
    const int64_t blocks = (left + kPointwiseBlock - 1) / kPointwiseBlock;
    const int64_t share = (left + blocks - 1) / blocks;
    return std::min(left, (share + 15) / 16 * 16);
  }

  void point_input(int i, int64_t position) {
    const PointwiseInput& input = operands_.inputs[i];
    const int64_t* strides = shape_.strides[i];
    block_.splat[i] = access_[i] == Access::kScalar;
    if (block_.splat[i]) {
      block_.inputs[i] = &scalars_[i];
      return;
    }
    const int64_t step = strides[shape_.rank - 1];
    if (input.type == PointwiseType::kFloat32) {
      const float* data = static_cast<const float*>(input.data);
      if (access_[i] == Access::kFlat) {
        block_.inputs[i] = data + position;
        return;
      }
      if (long_runs_ && (step == 0 || step == 1)) {
        for (int dim = 0; dim < shape_.rank; ++dim) data += coords_[dim] * strides[dim];
        block_.inputs[i] = data;
        block_.splat[i] = step == 0;
        return;
      }
    }
    float* staged = staging_ + i * (kPointwiseBlock + kPointwiseSlack);
    kernels_.fetch({input.data, input.type, shape_.rank, shape_.dims, strides, coords_, block_.n},
                   staged);
    block_.inputs[i] = staged;
  }

  void point_output(int i, int64_t position) {
    const PointwiseOutput& output = operands_.outputs[i];
    block_.outputs[i] = static_cast<char*>(output.data) + position * pointwise_size(output.type);
  }

  const PointwiseProgram& program_;
  const PointwiseOperands& operands_;
  const PointwiseKernels& kernels_;
  const Shape shape_;
  const bool long_runs_;
  PointwiseBlock block_;
  Access access_[kMaxPointwiseInputs];
  float scalars_[kMaxPointwiseInputs];
  int64_t coords_[kMaxPointwiseRank];
  // Left uninitialized: a program touches only the blocks it names.
  alignas(64) float registers_[kMaxPointwiseRegisters * kPointwiseBlock];
  alignas(64) float staging_[kMaxPointwiseInputs * (kPointwiseBlock + kPointwiseSlack)];
};

}  // namespace

int pointwise_size(PointwiseType type) {
  switch (type) {
    case PointwiseType::kFloat32: return 4;
    case PointwiseType::kFloat16:
    case PointwiseType::kBFloat16: return 2;
    default: return 1;
  }
}

int pointwise_arity(PointwiseOp op) {
  if (op == PointwiseOp::kLoad || op == PointwiseOp::kConst) return 0;
  if (op < PointwiseOp::kAdd) return 1;
  return op < PointwiseOp::kFma ? 2 : 3;
}

const char* validate_pointwise(const PointwiseProgram& program) {
  if (program.num_inputs > kMaxPointwiseInputs) return "too many inputs";
  if (program.num_outputs > kMaxPointwiseOutputs) return "too many outputs";
  bool written[kMaxPointwiseRegisters] = {};
  bool stored[kMaxPointwiseOutputs] = {};
  bool storing = false;
  for (int i = 0; i < program.num_instrs; ++i) {
    const PointwiseInstr& instr = program.instrs[i];
    const uint8_t operands[] = {instr.a, instr.b, instr.c};
    if (instr.op > PointwiseOp::kSelect) return "unknown operation";
    for (int k = 0; k < pointwise_arity(instr.op); ++k) {
      if (operands[k] >= kMaxPointwiseRegisters) return "register out of range";
      if (!written[operands[k]]) return "register read before it is written";
    }
    if (instr.op == PointwiseOp::kStore) {
      if (instr.dst >= program.num_outputs) return "output out of range";
      if (stored[instr.dst]) return "output stored twice";
      storing = stored[instr.dst] = true;
      continue;
    }
    if (storing) return "a store must come last";
    if (instr.op == PointwiseOp::kLoad && instr.a >= program.num_inputs) {
      return "input out of range";
    }
    if (instr.dst >= kMaxPointwiseRegisters) return "register out of range";
    written[instr.dst] = true;
  }
  const bool all = std::all_of(stored, stored + program.num_outputs, [](bool s) { return s; });
  return all ? nullptr : "output never stored";
}

void run_pointwise(const PointwiseProgram& program, const PointwiseOperands& operands,
                   int64_t begin, int64_t end, Isa isa) {
  if (begin >= end) return;
  Walker(program, operands, isa).run(begin, end);
}

}  // namespace penstock::simd
