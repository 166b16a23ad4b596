// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

// Fused expressions, and with them math.h, at every level against double-precision oracles.

#include "backends/cpu/simd/pointwise.h"

#include <functional>
#include <string>

#include "backends/cpu/simd/math.h"
#include "backends/cpu/simd/simd_test_util.h"

namespace penstock::simd {
namespace {

using Op = PointwiseOp;
using Instrs = std::vector<PointwiseInstr>;

struct Expression {
  Instrs instrs;
  int num_inputs;
  int num_outputs = 1;
  PointwiseProgram program() const {
    return {instrs.data(), static_cast<int>(instrs.size()), num_inputs, num_outputs};
  }
};

// out = op(in0, in1, in2), as many as op takes.
Expression single(Op op, float imm0 = 0.0f, float imm1 = 0.0f) {
  Expression e{{}, pointwise_arity(op)};
  for (uint8_t i = 0; i < e.num_inputs; ++i) e.instrs.push_back({Op::kLoad, i, i});
  e.instrs.push_back({op, 5, 0, 1, 2, imm0, imm1});
  e.instrs.push_back({Op::kStore, 0, 5});
  return e;
}

void run_flat(const Expression& e, std::vector<Buffer*> inputs, Buffer* y, int64_t n, Isa isa) {
  ASSERT_EQ(nullptr, validate_pointwise(e.program()));
  PointwiseOperands operands;
  operands.rank = 1;
  operands.dims[0] = n;
  for (size_t i = 0; i < inputs.size(); ++i) {
    operands.inputs[i] = {inputs[i]->get(), PointwiseType::kFloat32, {1}};
  }
  operands.outputs[0] = {y->get(), PointwiseType::kFloat32};
  run_pointwise(e.program(), operands, 0, n, isa);
}

class Pointwise : public testing::TestWithParam<Isa> {};

INSTANTIATE_TEST_SUITE_P(EveryIsa, Pointwise, testing::ValuesIn(testable_isas()),
                         [](const auto& info) { return isa_name(info.param); });

// Every 1021st float of the whole range, both signs, and the special ones.
Buffer sweep() {
  std::vector<float> values = {0.0f,           -0.0f,     INFINITY,  -INFINITY,  NAN,
                               1e-45f,         -1e-45f,   1.0f,      -1.0f,      3.4028235e38f,
                               -3.4028235e38f, 88.72283f, 88.72284f, -87.33655f, -103.97f,
                               -103.98f,       0.5f,      1.5f,      2.5f,       -2.5f};
  for (uint32_t bits = 1; bits < 0x7f800000u; bits += 1021) {
    values.push_back(bits_float(static_cast<int32_t>(bits)));
    values.push_back(-values.back());
  }
  Buffer x(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), x.get());
  return x;
}
const int64_t kSweepSize = 20 + 2 * ((0x7f800000 - 2) / 1021 + 1);

struct UnaryCase {
  const char* name;
  Op op;
  double bound;     // relative
  double absolute;  // allowed besides, where cancellation is part of the formula
  std::function<double(double)> oracle;
  float imm0 = 0.0f, imm1 = 0.0f;
};

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double clip_of(double x, double low, double high) {
  return std::isnan(x) ? x : std::min(std::max(x, low), high);
}

const UnaryCase kUnaryCases[] = {
    {"exp", Op::kExp, 1.3e-7, 1.5e-45, [](double x) { return std::exp(x); }},
    {"log", Op::kLog, 2e-7, 0, [](double x) { return std::log(x); }},
    {"sqrt", Op::kSqrt, 6e-8, 0, [](double x) { return std::sqrt(x); }},
    {"rsqrt", Op::kRsqrt, 1.3e-7, 0, [](double x) { return 1 / std::sqrt(x); }},
    {"reciprocal", Op::kReciprocal, 6e-8, 0, [](double x) { return 1 / x; }},
    {"tanh", Op::kTanh, 2.5e-7, 0, [](double x) { return std::tanh(x); }},
    {"sigmoid", Op::kSigmoid, 2e-7, 1.5e-45, sigmoid_of},
    {"silu", Op::kSilu, 2.5e-7, 3e-43, [](double x) { return x * sigmoid_of(x); }},
    {"erf", Op::kErf, 2.6e-7, 0, [](double x) { return std::erf(x); }},
    {"gelu", Op::kGelu, 3e-7, 4e-7,
     [](double x) { return x == -INFINITY ? NAN : 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }},
    {"gelu_tanh", Op::kGeluTanh, 1e-5, 1e-30,
     [](double x) { return x * sigmoid_of(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)); }},
    {"softplus", Op::kSoftplus, 2.5e-7, 1.5e-45,
     [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }},
    {"mish", Op::kMish, 4e-7, 3e-43,
     [](double x) {
       const double e = std::exp(std::min(x, 300.0)), n = e * (e + 2);
       return x * (n / (n + 2));
     }},
    {"elu", Op::kElu, 2e-7, 0, [](double x) { return x < 0 ? 1.5 * std::expm1(x) : x; }, 1.5f},
    {"relu", Op::kRelu, 0, 0, [](double x) { return x < 0 ? 0 : x; }},
    {"leaky_relu", Op::kLeakyRelu, 6e-8, 1.5e-45,
     [](double x) { return x < 0 ? static_cast<double>(0.1f) * x : x; }, 0.1f},
    {"clip", Op::kClip, 0, 0, [](double x) { return clip_of(x, -1.5, 6); }, -1.5f, 6.0f},
    {"hard_sigmoid", Op::kHardSigmoid, 1e-6, 1e-7,
     [](double x) { return clip_of(0.25 * x + 0.5, 0, 1); }, 0.25f, 0.5f},
    {"hard_swish", Op::kHardSwish, 1e-6, 4e-7,
     [](double x) { return x * clip_of(0.125 * x + 0.5, 0, 1); }, 0.125f, 0.5f},
    {"neg", Op::kNeg, 0, 0, [](double x) { return -x; }},
    {"abs", Op::kAbs, 0, 0, [](double x) { return std::abs(x); }},
    {"floor", Op::kFloor, 0, 0, [](double x) { return std::floor(x); }},
    {"ceil", Op::kCeil, 0, 0, [](double x) { return std::ceil(x); }},
    {"round", Op::kRound, 0, 0, [](double x) { return std::nearbyint(x); }},
    {"sign", Op::kSign, 0, 0, [](double x) { return x < 0   ? -1
                                                    : x > 0 ? 1
                                                            : x; }},
    {"sin", Op::kSin, 1.3e-7, 0, [](double x) { return std::sin(x); }},
    {"cos", Op::kCos, 1.3e-7, 0, [](double x) { return std::cos(x); }},
    {"not", Op::kNot, 0, 0, [](double x) { return x == 0; }},
    {"is_nan", Op::kIsNan, 0, 0, [](double x) { return std::isnan(x); }},
};

TEST_P(Pointwise, UnaryOverTheWholeFloatRange) {
  Buffer x = sweep(), y(kSweepSize);
  for (const UnaryCase& c : kUnaryCases) {
    run_flat(single(c.op, c.imm0, c.imm1), {&x}, &y, kSweepSize, GetParam());
    double worst = 0.0;
    float worst_at = 0.0f;
    for (int64_t i = 0; i < kSweepSize; ++i) {
      const double expected = c.oracle(x[i]);
      if (std::abs(y[i] - expected) <= c.absolute) continue;
      const double error = relative_error(y[i], expected);
      if (error > worst) worst = error, worst_at = x[i];
    }
    EXPECT_LE(worst, c.bound) << c.name << " at " << worst_at;
    RecordProperty(c.name, std::to_string(worst));
    if (std::getenv("PENSTOCK_PRINT_ERRORS")) {
      printf("%-8s %-12s %.2e at %.9g\n", isa_name(GetParam()), c.name, worst, worst_at);
    }
  }
}

TEST_P(Pointwise, UnaryTailsOfEverySize) {
  for (int64_t n : {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, 1000, 1025}) {
    for (const UnaryCase& c : kUnaryCases) {
      Buffer x(n, 0.1f, 4.0f), y(n);
      run_flat(single(c.op, c.imm0, c.imm1), {&x}, &y, n, GetParam());
      for (int64_t i = 0; i < n; ++i) {
        const double expected = c.oracle(x[i]);
        ASSERT_NEAR(y[i], expected, c.absolute + 1e-6 * (1 + std::abs(expected))) << c.name;
      }
      ASSERT_TRUE(y.intact()) << c.name << " " << n;
    }
  }
}

struct BinaryCase {
  const char* name;
  Op op;
  std::function<double(double, double)> oracle;
};
const BinaryCase kBinaryCases[] = {
    {"add", Op::kAdd, [](double a, double b) { return a + b; }},
    {"sub", Op::kSub, [](double a, double b) { return a - b; }},
    {"mul", Op::kMul, [](double a, double b) { return a * b; }},
    {"div", Op::kDiv, [](double a, double b) { return a / b; }},
    {"min", Op::kMin, [](double a, double b) { return a != a            ? a
                                                      : b < a || b != b ? b
                                                                        : a; }},
    {"max", Op::kMax, [](double a, double b) { return a != a            ? a
                                                      : b > a || b != b ? b
                                                                        : a; }},
    {"pow", Op::kPow, [](double a, double b) { return std::pow(a, b); }},
    {"prelu", Op::kPrelu, [](double a, double b) { return a < 0 ? a * b : a; }},
    {"less", Op::kLess, [](double a, double b) { return a < b; }},
    {"less_equal", Op::kLessEqual, [](double a, double b) { return a <= b; }},
    {"greater", Op::kGreater, [](double a, double b) { return a > b; }},
    {"greater_equal", Op::kGreaterEqual, [](double a, double b) { return a >= b; }},
    {"equal", Op::kEqual, [](double a, double b) { return a == b; }},
    {"not_equal", Op::kNotEqual, [](double a, double b) { return a != b; }},
    {"and", Op::kAnd, [](double a, double b) { return a != 0 && b != 0; }},
    {"or", Op::kOr, [](double a, double b) { return a != 0 || b != 0; }},
    {"xor", Op::kXor, [](double a, double b) { return (a != 0) != (b != 0); }},
};

TEST_P(Pointwise, BinaryWithSpecialValues) {
  const float special[] = {0.0f,  -0.0f, 1.0f,  -1.0f,    2.0f,      3.0f, 0.5f,
                           -0.5f, 1.7f,  -2.3f, INFINITY, -INFINITY, NAN};
  constexpr int kCount = 13;
  Buffer a(kCount * kCount), b(kCount * kCount), y(kCount * kCount), scalar(1);
  for (int i = 0; i < kCount * kCount; ++i) a[i] = special[i / kCount], b[i] = special[i % kCount];
  for (const BinaryCase& c : kBinaryCases) {
    run_flat(single(c.op), {&a, &b}, &y, kCount * kCount, GetParam());
    for (int i = 0; i < kCount * kCount; ++i) {
      EXPECT_LE(relative_error(y[i], c.oracle(a[i], b[i])), 1.3e-7)
          << c.name << " " << a[i] << " " << b[i] << " gave " << y[i];
    }
    for (float s : special) {  // a scalar second operand, with the shortcuts of pow
      PointwiseOperands operands;
      operands.rank = 1;
      operands.dims[0] = kCount;
      operands.inputs[0] = {special, PointwiseType::kFloat32, {1}};
      operands.inputs[1] = {&s, PointwiseType::kFloat32, {0}};
      operands.outputs[0].data = y.get();
      const Expression e = single(c.op);
      run_pointwise(e.program(), operands, 0, kCount, GetParam());
      for (int i = 0; i < kCount; ++i) {
        EXPECT_LE(relative_error(y[i], c.oracle(special[i], s)), 1.3e-7)
            << c.name << " " << special[i] << " scalar " << s << " gave " << y[i];
      }
    }
  }
}

// A tensor of up to four dims with the strides of a broadcast or transposed input.
struct Case {
  std::vector<int64_t> dims;
  std::vector<std::vector<int64_t>> strides;
};

int64_t size_of(const Case& c) {
  int64_t n = 1;
  for (int64_t d : c.dims) n *= d;
  return n;
}

int64_t offset_of(const Case& c, size_t input, int64_t position) {
  int64_t offset = 0;
  for (int dim = static_cast<int>(c.dims.size()) - 1; dim >= 0; --dim) {
    offset += position % c.dims[dim] * c.strides[input][dim];
    position /= c.dims[dim];
  }
  return offset;
}

PointwiseOperands operands_of(const Case& c, std::vector<Buffer>& data, Buffer* y) {
  PointwiseOperands operands;
  operands.rank = static_cast<int>(c.dims.size());
  std::copy(c.dims.begin(), c.dims.end(), operands.dims);
  for (size_t i = 0; i < c.strides.size(); ++i) {
    operands.inputs[i].data = data[i].get();
    std::copy(c.strides[i].begin(), c.strides[i].end(), operands.inputs[i].strides);
  }
  operands.outputs[0].data = y->get();
  return operands;
}

const Case kBroadcastCases[] = {
    {{3, 7}, {{7, 1}, {0, 1}, {1, 0}}},                                  // short rows
    {{300, 7}, {{7, 1}, {0, 1}, {1, 0}}},                                // many rows in a block
    {{5, 1000}, {{1000, 1}, {0, 1}, {1, 0}}},                            // long rows
    {{2, 3, 4, 5}, {{60, 20, 5, 1}, {0, 5, 0, 1}, {3, 1, 0, 0}}},        // four dims
    {{2, 9, 30, 31}, {{8370, 930, 31, 1}, {0, 1, 0, 0}, {0, 0, 0, 0}}},  // bias for each channel
    {{40, 300}, {{1, 40}, {300, 1}, {0, 0}}},                            // a transposed input
    {{1, 1, 1}, {{0, 0, 0}, {1, 1, 1}, {5, 5, 5}}},                      // one element
    {{6, 1, 600}, {{600, 7, 1}, {0, 0, 1}, {1, 9, 0}}},                  // a dim of one
    {{20, 2}, {{2, 1}, {0, 1}, {3, 0}}},
    {{}, {{}, {}, {}}},  // a scalar
};

TEST_P(Pointwise, BroadcastsAndSplitsAnyShape) {
  const Expression e{{{Op::kLoad, 0, 0},
                      {Op::kLoad, 1, 1},
                      {Op::kLoad, 2, 2},
                      {Op::kFma, 3, 0, 1, 2},
                      {Op::kAdd, 1, 1, 2},
                      {Op::kMul, 3, 3, 1},
                      {Op::kStore, 0, 3}},
                     3};
  ASSERT_EQ(nullptr, validate_pointwise(e.program()));
  for (const Case& c : kBroadcastCases) {
    const int64_t n = size_of(c);
    std::vector<Buffer> data;
    for (unsigned i = 0; i < 3; ++i) {
      int64_t last = 0;
      for (size_t d = 0; d < c.dims.size(); ++d) last += (c.dims[d] - 1) * c.strides[i][d];
      data.emplace_back(last + 1, -3, 3, i);
    }
    for (int64_t pieces : {1, 3}) {
      Buffer y(n);
      const PointwiseOperands operands = operands_of(c, data, &y);
      for (int64_t p = 0; p < pieces; ++p) {
        run_pointwise(e.program(), operands, n * p / pieces, n * (p + 1) / pieces, GetParam());
      }
      for (int64_t i = 0; i < n; ++i) {
        const double v0 = data[0][offset_of(c, 0, i)], v1 = data[1][offset_of(c, 1, i)],
                     v2 = data[2][offset_of(c, 2, i)];
        ASSERT_NEAR(y[i], (v0 * v1 + v2) * (v1 + v2), 1e-5) << i << " of " << n;
      }
      ASSERT_TRUE(y.intact());
    }
  }
}

TEST_P(Pointwise, BoolInputsAndOutputs) {
  // keep = cond and x < 2; y = keep ? x : -1, cond broadcast along rows.
  const Expression e{{{Op::kLoad, 0, 0},
                      {Op::kLoad, 1, 1},
                      {Op::kConst, 2, 0, 0, 0, 2.0f},
                      {Op::kLess, 2, 1, 2},
                      {Op::kAnd, 2, 0, 2},
                      {Op::kConst, 3, 0, 0, 0, -1.0f},
                      {Op::kSelect, 3, 2, 1, 3},
                      {Op::kStore, 0, 2},
                      {Op::kStore, 1, 3}},
                     2,
                     2};
  ASSERT_EQ(nullptr, validate_pointwise(e.program()));
  for (int64_t cols : {1, 5, 64, 700}) {
    constexpr int64_t kRows = 9;
    Buffer x(kRows * cols), y(kRows * cols);
    std::vector<uint8_t> cond(kRows * cols), keep(kRows * cols + 1, 0xee);
    for (size_t i = 0; i < cond.size(); ++i) cond[i] = i % 3 * 100;
    for (int64_t stride : {int64_t{0}, int64_t{1}}) {
      PointwiseOperands operands{2, {kRows, cols}, {}, {}};
      operands.inputs[0] = {cond.data(), PointwiseType::kBool, {stride ? cols : 1, stride}};
      operands.inputs[1] = {x.get(), PointwiseType::kFloat32, {cols, 1}};
      operands.outputs[0] = {keep.data(), PointwiseType::kBool};
      operands.outputs[1] = {y.get(), PointwiseType::kFloat32};
      run_pointwise(e.program(), operands, 0, kRows * cols, GetParam());
      for (int64_t i = 0; i < kRows * cols; ++i) {
        const bool expected = cond[stride ? i : i / cols] != 0 && x[i] < 2.0f;
        ASSERT_EQ(keep[i], expected ? 1 : 0);
        ASSERT_EQ(y[i], expected ? x[i] : -1.0f);
      }
      ASSERT_EQ(keep.back(), 0xee);
    }
  }
}

TEST_P(Pointwise, OutputMayBeAnInput) {
  // out0 = a * b, out1 = a - b: out0 is a's memory, which the second instruction still reads.
  const Expression e{{{Op::kLoad, 0, 0},
                      {Op::kLoad, 1, 1},
                      {Op::kMul, 2, 0, 1},
                      {Op::kSub, 3, 0, 1},
                      {Op::kStore, 0, 2},
                      {Op::kStore, 1, 3}},
                     2,
                     2};
  Buffer a(1100), b(1100, -3, 3, 2), difference(1100), before = a;
  PointwiseOperands operands{1, {1100}, {}, {}};
  operands.inputs[0] = {a.get(), PointwiseType::kFloat32, {1}};
  operands.inputs[1] = {b.get(), PointwiseType::kFloat32, {1}};
  operands.outputs[0].data = a.get();
  operands.outputs[1].data = difference.get();
  run_pointwise(e.program(), operands, 0, 1100, GetParam());
  for (int i = 0; i < 1100; ++i) {
    ASSERT_EQ(a[i], before[i] * b[i]);
    ASSERT_EQ(difference[i], before[i] - b[i]);
  }
}

TEST_P(Pointwise, ConstantsAndCopiesReachEveryElement) {
  const Expression e{{{Op::kConst, 0, 0, 0, 0, 4.0f},
                      {Op::kSqrt, 0, 0},
                      {Op::kLoad, 1, 0},
                      {Op::kStore, 0, 0},
                      {Op::kStore, 1, 1},
                      {Op::kStore, 2, 0}},
                     1,
                     3};
  Buffer x(77), two(77), copy(77), again(77);
  PointwiseOperands operands{1, {77}, {}, {}};
  operands.inputs[0] = {x.get(), PointwiseType::kFloat32, {1}};
  operands.outputs[0].data = two.get();
  operands.outputs[1].data = copy.get();
  operands.outputs[2].data = again.get();
  run_pointwise(e.program(), operands, 0, 77, GetParam());
  for (int i = 0; i < 77; ++i) {
    EXPECT_EQ(two[i], 2.0f);
    EXPECT_EQ(again[i], 2.0f);
    EXPECT_EQ(copy[i], x[i]);
  }
}

TEST(PointwiseValidate, NamesWhatIsWrong) {
  const auto error = [](const Instrs& instrs) {
    return std::string(validate_pointwise({instrs.data(), static_cast<int>(instrs.size()), 1, 1}));
  };
  EXPECT_EQ(error({{Op::kLoad, 0, 3}}), "input out of range");
  EXPECT_EQ(error({{Op::kExp, 1, 0}}), "register read before it is written");
  EXPECT_EQ(error({{Op::kLoad, 16, 0}}), "register out of range");
  EXPECT_EQ(error({{Op::kLoad, 0, 0}}), "output never stored");
  EXPECT_EQ(error({{Op::kLoad, 0, 0}, {Op::kStore, 0, 0}, {Op::kStore, 0, 0}}),
            "output stored twice");
  EXPECT_EQ(error({{Op::kLoad, 0, 0}, {Op::kStore, 0, 0}, {Op::kExp, 0, 0}}),
            "a store must come last");
}

}  // namespace
}  // namespace penstock::simd
