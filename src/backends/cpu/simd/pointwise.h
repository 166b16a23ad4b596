// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// A block interpreter for fused element-wise float32 expressions: each instruction runs over a
// block of at most kPointwiseBlock elements that stays in the L1 cache, so that a whole expression
// reads its inputs and writes its outputs once.

#include <cstdint>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

constexpr int kPointwiseBlock = 512;
constexpr int kMaxPointwiseRegisters = 16;
constexpr int kMaxPointwiseInputs = 16;
constexpr int kMaxPointwiseOutputs = 4;
constexpr int kMaxPointwiseRank = 6;

// dst, a, b and c name registers, but for kLoad (a is an input) and kStore (dst is an output).
// Truth values are 0 and 1; any number but 0 counts as true.
enum class PointwiseOp : uint8_t {
  kLoad,   // dst = input a
  kConst,  // dst = imm0
  kStore,  // output dst = a; all stores come last
  // One operand.
  kNeg,
  kAbs,
  kRelu,
  kExp,
  kLog,
  kSqrt,
  kRsqrt,
  kReciprocal,
  kTanh,
  kSigmoid,
  kSilu,
  kErf,
  kGelu,
  kGeluTanh,
  kSoftplus,
  kMish,
  kFloor,
  kCeil,
  kRound,
  kSign,
  kSin,
  kCos,
  kNot,
  kIsNan,
  kLeakyRelu,    // a < 0 ? imm0 a : a
  kClip,         // min(max(a, imm0), imm1)
  kHardSigmoid,  // clip(imm0 a + imm1, 0, 1)
  kHardSwish,    // a clip(imm0 a + imm1, 0, 1)
  kElu,          // a < 0 ? imm0 (exp(a) - 1) : a
  // Two operands.
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMin,
  kMax,
  kPow,
  kPrelu,  // a < 0 ? b a : a
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kAnd,
  kOr,
  kXor,
  // Three operands.
  kFma,     // a b + c
  kSelect,  // a ? b : c
};

int pointwise_arity(PointwiseOp op);  // how many of a, b, c are registers

struct PointwiseInstr {
  PointwiseOp op;
  uint8_t dst = 0, a = 0, b = 0, c = 0;
  float imm0 = 0.0f, imm1 = 0.0f;
};

struct PointwiseProgram {
  const PointwiseInstr* instrs = nullptr;
  int num_instrs = 0;
  int num_inputs = 0;
  int num_outputs = 0;
};

// Null, or what is wrong: an index out of range, a register read before it is written, a store
// before another instruction, an output stored never or twice.
const char* validate_pointwise(const PointwiseProgram& program);

// kBool is a byte, 0 or not. Integers are stored rounded to even and saturated, NaN as the lowest;
// floats of 16 bits rounded to even.
enum class PointwiseType : uint8_t { kFloat32, kBool, kInt8, kUInt8, kFloat16, kBFloat16 };

int pointwise_size(PointwiseType type);  // bytes of an element

struct PointwiseInput {
  const void* data = nullptr;
  PointwiseType type = PointwiseType::kFloat32;
  int64_t strides[kMaxPointwiseRank] = {};  // in elements, 0 where broadcast, outermost first
};

struct PointwiseOutput {
  void* data = nullptr;
  PointwiseType type = PointwiseType::kFloat32;
};

// All outputs are row-major and contiguous of shape dims. An output may be the very memory of an
// input that has the same type and those strides, and no other part of an input.
struct PointwiseOperands {
  int rank = 0;
  int64_t dims[kMaxPointwiseRank] = {};
  PointwiseInput inputs[kMaxPointwiseInputs];
  PointwiseOutput outputs[kMaxPointwiseOutputs];
};

// Computes the output elements [begin, end) in flattened order: callers split that range over
// threads (at multiples of 16 to keep stores of threads in their own cache lines). The program
// must be valid. Data pointers are those of the whole tensors whatever the range.
void run_pointwise(const PointwiseProgram& program, const PointwiseOperands& operands,
                   int64_t begin, int64_t end, Isa isa = active());

}  // namespace penstock::simd
