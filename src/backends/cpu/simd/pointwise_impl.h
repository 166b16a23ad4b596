// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

// The block kernels of pointwise.h for every vector type V.

#include <type_traits>

#include "backends/cpu/simd/math.h"
#include "backends/cpu/simd/narrow_floats_impl.h"
#include "backends/cpu/simd/pointwise_block.h"

namespace penstock::simd {
inline namespace PENSTOCK_SIMD_ISA {

// The value of a register: n elements, or one vector of equal lanes that stands for all (step 0).
// Advancing by a variable step lets one loop serve both.
struct BlockSource {
  const float* data;
  int64_t step;
};

template <typename V>
class BlockRunner {
 public:
  PENSTOCK_SIMD_INLINE explicit BlockRunner(const PointwiseBlock& block) : block_(block) {}

  void run() {
    for (index_ = 0; index_ < block_.program->num_instrs; ++index_) {
      run_instr(block_.program->instrs[index_]);
    }
  }

 private:
  static constexpr int kWidth = V::kWidth;

  PENSTOCK_SIMD_INLINE static V load(BlockSource s, int64_t n) {
    return s.step == 0 ? V::load(s.data) : V::load_partial(s.data, n);
  }

  void splat(int reg, float value) {
    V::broadcast(value).store(splats_[reg]);
    sources_[reg] = {splats_[reg], 0};
  }

  float* direct_output() const {
    for (int i = 0; i < block_.program->num_outputs; ++i) {
      if (block_.direct[i] == index_) return static_cast<float*>(block_.outputs[i]);
    }
    return nullptr;
  }

  // Where the instruction writes, and how many elements: one vector when every operand is splat.
  // Splats have memory of their own, so that a block may replace the splat it is computed from.
  PENSTOCK_SIMD_INLINE float* target(const PointwiseInstr& instr, bool is_splat, int64_t* n) {
    float* direct = direct_output();
    *n = block_.n;
    if (direct == nullptr && is_splat) {
      *n = kWidth;
      sources_[instr.dst] = {splats_[instr.dst], 0};
      return splats_[instr.dst];
    }
    float* y = direct != nullptr ? direct : block_.registers + instr.dst * kPointwiseBlock;
    sources_[instr.dst] = {y, kWidth};
    return y;
  }

  template <typename F>
  PENSTOCK_SIMD_INLINE void unary(const PointwiseInstr& instr, F f) {
    BlockSource a = sources_[instr.a];
    int64_t n;
    float* y = target(instr, a.step == 0, &n);
    for (; n >= kWidth; n -= kWidth, y += kWidth) {
      f(V::load(a.data)).store(y);
      a.data += a.step;
    }
    if (n > 0) f(load(a, n)).store_partial(y, n);
  }

  template <typename F>
  PENSTOCK_SIMD_INLINE void binary(const PointwiseInstr& instr, F f) {
    BlockSource a = sources_[instr.a], b = sources_[instr.b];
    int64_t n;
    float* y = target(instr, (a.step | b.step) == 0, &n);
    for (; n >= kWidth; n -= kWidth, y += kWidth) {
      f(V::load(a.data), V::load(b.data)).store(y);
      a.data += a.step;
      b.data += b.step;
    }
    if (n > 0) f(load(a, n), load(b, n)).store_partial(y, n);
  }

  template <typename F>
  PENSTOCK_SIMD_INLINE void ternary(const PointwiseInstr& instr, F f) {
    BlockSource a = sources_[instr.a], b = sources_[instr.b], c = sources_[instr.c];
    int64_t n;
    float* y = target(instr, (a.step | b.step | c.step) == 0, &n);
    for (; n >= kWidth; n -= kWidth, y += kWidth) {
      f(V::load(a.data), V::load(b.data), V::load(c.data)).store(y);
      a.data += a.step;
      b.data += b.step;
      c.data += c.step;
    }
    if (n > 0) f(load(a, n), load(b, n), load(c, n)).store_partial(y, n);
  }

  PENSTOCK_SIMD_INLINE static auto truth(V x) { return cmp_ne(x, V::zero()); }
  template <typename M>
  PENSTOCK_SIMD_INLINE static V number(M mask) {
    return select(mask, V::broadcast(1.0f), V::zero());
  }

  // Exponents that models use; the rest goes through libm.
  void power(const PointwiseInstr& instr) {
    const BlockSource b = sources_[instr.b];
    const float exponent = b.step == 0 ? *b.data : 0.0f;
    if (exponent == 2.0f) return binary(instr, [](V x, V) { return x * x; });
    if (exponent == 3.0f) return binary(instr, [](V x, V) { return x * x * x; });
    if (exponent == -1.0f) return binary(instr, [](V x, V) { return V::broadcast(1.0f) / x; });
    if (exponent == 0.5f) {
      // pow gives +0 for -0 and inf for -inf.
      return binary(instr, [](V x, V) {
        const V inf = V::broadcast(__builtin_inff());
        return select(cmp_eq(x, -inf), inf, sqrt(x + V::zero()));
      });
    }
    binary(instr, [](V x, V y) { return pow(x, y); });
  }

  void store(const PointwiseInstr& instr) {
    if (block_.direct[instr.dst] >= 0) return;
    BlockSource a = sources_[instr.a];
    int64_t n = block_.n;
    void* const target = block_.outputs[instr.dst];
    switch (block_.output_types[instr.dst]) {
      case PointwiseType::kFloat32: break;
      case PointwiseType::kBool: {
        const int64_t step = a.step != 0 ? 1 : 0;
        for (int64_t i = 0; i < n; ++i) {
          static_cast<uint8_t*>(target)[i] = a.data[i * step] != 0.0f;
        }
        return;
      }
      case PointwiseType::kInt8:
        return store_integers(a, n, -128.0f, 127.0f, static_cast<int8_t*>(target));
      case PointwiseType::kUInt8:
        return store_integers(a, n, 0.0f, 255.0f, static_cast<uint8_t*>(target));
      case PointwiseType::kFloat16:
        return narrow_row<V>(Float16Format(), a.data, a.step, static_cast<uint16_t*>(target), n);
      case PointwiseType::kBFloat16:
        return narrow_row<V>(BFloat16Format(), a.data, a.step, static_cast<uint16_t*>(target), n);
    }
    float* y = static_cast<float*>(block_.outputs[instr.dst]);
    for (; n >= kWidth; n -= kWidth, y += kWidth, a.data += a.step) V::load(a.data).store(y);
    if (n > 0) load(a, n).store_partial(y, n);
  }

  // NaN compares false, and becomes the lowest. Adding 1.5 * 2^23 leaves no bits for a fraction, so
  // that the low bits of the sum are the integer.
  template <typename T>
  PENSTOCK_SIMD_INLINE static void store_integers(BlockSource a, int64_t n, float low, float high,
                                                  T* __restrict y) {
    constexpr float kUnits = 0x1.8p23f;
    constexpr int32_t kUnitsBits = 0x4B400000;
    alignas(64) int32_t integers[kPointwiseBlock];
    float* const rounded = reinterpret_cast<float*>(integers);
    const V lowest = V::broadcast(low), highest = V::broadcast(high), units = V::broadcast(kUnits);
    for (int64_t i = 0; i < n; i += kWidth, a.data += a.step) {
      const V x = n - i >= kWidth ? V::load(a.data) : load(a, n - i);
      (min(max(x, lowest), highest) + units).store(rounded + i);
    }
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      int32_t bits;
      __builtin_memcpy(&bits, integers + i, sizeof(bits));
      y[i] = static_cast<T>(bits - kUnitsBits);
    }
  }

  void run_instr(const PointwiseInstr& instr) {
    using Op = PointwiseOp;
    switch (instr.op) {
      case Op::kLoad:
        if (block_.splat[instr.a]) return splat(instr.dst, *block_.inputs[instr.a]);
        sources_[instr.dst] = {block_.inputs[instr.a], kWidth};
        return;
      case Op::kConst: return splat(instr.dst, instr.imm0);
      case Op::kStore: return store(instr);
      case Op::kPow: return power(instr);
      case Op::kFma: return ternary(instr, [](V x, V y, V z) { return fma(x, y, z); });
      case Op::kSelect: return ternary(instr, [](V x, V y, V z) { return select(truth(x), y, z); });
      default: return instr.op < Op::kAdd ? run_unary(instr) : run_binary(instr);
    }
  }

  void run_unary(const PointwiseInstr& instr) {
    using Op = PointwiseOp;
    const float p = instr.imm0, q = instr.imm1;
    switch (instr.op) {
      case Op::kNeg: return unary(instr, [](V x) { return -x; });
      case Op::kAbs: return unary(instr, [](V x) { return abs(x); });
      case Op::kRelu: return unary(instr, [](V x) { return max(V::zero(), x); });
      case Op::kExp: return unary(instr, [](V x) { return exp(x); });
      case Op::kLog: return unary(instr, [](V x) { return log(x); });
      case Op::kSqrt: return unary(instr, [](V x) { return sqrt(x); });
      case Op::kRsqrt: return unary(instr, [](V x) { return V::broadcast(1.0f) / sqrt(x); });
      case Op::kReciprocal: return unary(instr, [](V x) { return V::broadcast(1.0f) / x; });
      case Op::kTanh: return unary(instr, [](V x) { return tanh(x); });
      case Op::kSigmoid: return unary(instr, [](V x) { return sigmoid(x); });
      case Op::kSilu: return unary(instr, [](V x) { return silu(x); });
      case Op::kErf: return unary(instr, [](V x) { return erf(x); });
      case Op::kGelu: return unary(instr, [](V x) { return gelu(x); });
      case Op::kGeluTanh: return unary(instr, [](V x) { return gelu_tanh(x); });
      case Op::kSoftplus: return unary(instr, [](V x) { return softplus(x); });
      case Op::kMish: return unary(instr, [](V x) { return mish(x); });
      case Op::kFloor: return unary(instr, [](V x) { return floor(x); });
      case Op::kCeil: return unary(instr, [](V x) { return ceil(x); });
      case Op::kRound: return unary(instr, [](V x) { return round(x); });
      case Op::kSign: return unary(instr, [](V x) { return sign(x); });
      case Op::kSin: return unary(instr, [](V x) { return sin(x); });
      case Op::kCos: return unary(instr, [](V x) { return cos(x); });
      case Op::kNot: return unary(instr, [](V x) { return number(cmp_eq(x, V::zero())); });
      case Op::kIsNan: return unary(instr, [](V x) { return number(is_nan(x)); });
      case Op::kLeakyRelu:
        return unary(instr,
                     [p](V x) { return select(cmp_lt(x, V::zero()), x * V::broadcast(p), x); });
      case Op::kClip:
        return unary(instr, [p, q](V x) { return min(V::broadcast(q), max(V::broadcast(p), x)); });
      case Op::kHardSigmoid: return unary(instr, [p, q](V x) { return hard_sigmoid(x, p, q); });
      case Op::kHardSwish: return unary(instr, [p, q](V x) { return hard_swish(x, p, q); });
      case Op::kElu: return unary(instr, [p](V x) { return elu(x, p); });
      default: return;
    }
  }

  void run_binary(const PointwiseInstr& instr) {
    using Op = PointwiseOp;
    switch (instr.op) {
      case Op::kAdd: return binary(instr, [](V x, V y) { return x + y; });
      case Op::kSub: return binary(instr, [](V x, V y) { return x - y; });
      case Op::kMul: return binary(instr, [](V x, V y) { return x * y; });
      case Op::kDiv: return binary(instr, [](V x, V y) { return x / y; });
      case Op::kMin: return binary(instr, [](V x, V y) { return nan_min(x, y); });
      case Op::kMax: return binary(instr, [](V x, V y) { return nan_max(x, y); });
      case Op::kPrelu:
        return binary(instr, [](V x, V y) { return select(cmp_lt(x, V::zero()), x * y, x); });
      case Op::kLess: return binary(instr, [](V x, V y) { return number(cmp_lt(x, y)); });
      case Op::kLessEqual: return binary(instr, [](V x, V y) { return number(cmp_le(x, y)); });
      case Op::kGreater: return binary(instr, [](V x, V y) { return number(cmp_gt(x, y)); });
      case Op::kGreaterEqual: return binary(instr, [](V x, V y) { return number(cmp_ge(x, y)); });
      case Op::kEqual: return binary(instr, [](V x, V y) { return number(cmp_eq(x, y)); });
      case Op::kNotEqual: return binary(instr, [](V x, V y) { return number(cmp_ne(x, y)); });
      case Op::kAnd:
        return binary(instr, [](V x, V y) { return number(mask_and(truth(x), truth(y))); });
      case Op::kOr:
        return binary(instr, [](V x, V y) { return number(mask_or(truth(x), truth(y))); });
      case Op::kXor:
        return binary(instr,
                      [](V x, V y) { return number(cmp_ne(number(truth(x)), number(truth(y)))); });
      default: return;
    }
  }

  const PointwiseBlock& block_;
  int index_ = 0;
  BlockSource sources_[kMaxPointwiseRegisters];
  alignas(64) float splats_[kMaxPointwiseRegisters][kWidth];
};

template <typename V>
void run_pointwise_block(const PointwiseBlock& block) {
  BlockRunner<V>(block).run();
}

// One run along the innermost dimension. May write up to kPointwiseSlack floats past it: a masked
// store is slow on many processors, and the next run overwrites them.
template <typename V>
PENSTOCK_SIMD_INLINE void fetch_run(const float* x, int64_t stride, int64_t n, float* y) {
  static_assert(V::kWidth <= kPointwiseSlack);
  if (n <= 3 || (stride != 0 && stride != 1)) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i * stride];
  } else if (stride == 0) {
    const V value = V::broadcast(*x);
    for (int64_t i = 0; i < n; i += V::kWidth) value.store(y + i);
  } else {
    int64_t i = 0;
    for (; i + V::kWidth <= n; i += V::kWidth) V::load(x + i).store(y + i);
    if (i < n) V::load_partial(x + i, n - i).store(y + i);
  }
}

// A truth value in memory: not 0 is true. A bool of any other value than 0 and 1 may not be read.
struct TruthByte {
  uint8_t value;
};

// Bytes: truth values or integers.
template <typename V, typename T>
PENSTOCK_SIMD_INLINE void fetch_run(const T* __restrict x, int64_t stride, int64_t n,
                                    float* __restrict y) {
  const auto number = [](T element) {
    if constexpr (std::is_same_v<T, TruthByte>) {
      return element.value != 0 ? 1.0f : 0.0f;
    } else {
      return static_cast<float>(static_cast<int32_t>(element));
    }
  };
  if (stride == 1) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = number(x[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = number(x[i * stride]);
  }
}

// Elements of 16 bits in memory.
template <typename Format>
struct NarrowElement {
  uint16_t bits;
};

template <typename V, typename Format>
PENSTOCK_SIMD_INLINE void fetch_run(const NarrowElement<Format>* x, int64_t stride, int64_t n,
                                    float* y) {
  if (stride == 1) return widen_row<V>(Format(), &x->bits, y, n);
  for (int64_t i = 0; i < n; ++i) {
    F32x1 value;
    Format::widen(&x[i * stride].bits, &value);
    y[i] = value.v;
  }
}

// Steps to the next run: dimension `dim` advances, and those it completes start again.
template <typename T>
PENSTOCK_SIMD_INLINE const T* next_run(const PointwiseFetch& request, const T* x, int64_t* coords) {
  int dim = request.rank - 2;
  for (; dim > 0 && coords[dim] + 1 == request.dims[dim]; --dim) {
    x -= coords[dim] * request.strides[dim];
    coords[dim] = 0;
  }
  ++coords[dim];
  return x + request.strides[dim];
}

template <typename V, typename T>
void fetch_runs(const PointwiseFetch& request, float* y) {
  const int last = request.rank - 1;
  const int64_t length = request.dims[last], stride = request.strides[last];
  int64_t coords[kMaxPointwiseRank];
  const T* x = static_cast<const T*>(request.data);  // the start of the current run
  for (int dim = 0; dim < last; ++dim) {
    coords[dim] = request.coords[dim];
    x += coords[dim] * request.strides[dim];
  }
  const float* const end = y + request.n;
  const int64_t first = request.coords[last];
  int64_t run = length - first < request.n ? length - first : request.n;
  fetch_run<V>(x + first * stride, stride, run, y);
  y += run;
  while (y < end) {
    x = next_run(request, x, coords);
    // Runs of one plane need no more than a step each: the short ones are most of the work.
    const int64_t step = request.strides[last - 1];
    int64_t& row = coords[last - 1];
    for (; row + 1 < request.dims[last - 1] && y + length < end; ++row, x += step, y += length) {
      fetch_run<V>(x, stride, length, y);
    }
    run = length < end - y ? length : end - y;
    fetch_run<V>(x, stride, run, y);
    y += run;
  }
}

template <typename V>
void fetch_pointwise(const PointwiseFetch& request, float* target) {
  switch (request.type) {
    case PointwiseType::kFloat32: return fetch_runs<V, float>(request, target);
    case PointwiseType::kBool: return fetch_runs<V, TruthByte>(request, target);
    case PointwiseType::kInt8: return fetch_runs<V, int8_t>(request, target);
    case PointwiseType::kUInt8: return fetch_runs<V, uint8_t>(request, target);
    case PointwiseType::kFloat16:
      return fetch_runs<V, NarrowElement<Float16Format>>(request, target);
    case PointwiseType::kBFloat16:
      return fetch_runs<V, NarrowElement<BFloat16Format>>(request, target);
  }
}

template <typename V>
constexpr PointwiseKernels pointwise_kernel_table() {
  return {run_pointwise_block<V>, fetch_pointwise<V>};
}

}  // namespace PENSTOCK_SIMD_ISA
}  // namespace penstock::simd
