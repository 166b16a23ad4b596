// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/source_cuda.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;

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
// Rounded to 16 bits and back.
__device__ inline float as_half(float x) { return load(Store<half_bits>::of(x)); }
__device__ inline float as_bfloat(float x) { return load(Store<bfloat_bits>::of(x)); }
// The nearest integer, ties to even, in [low, high]; NaN gives the lowest.
__device__ inline float quantized(float quotient, float zero_point, float low, float high) {
  return fminf(fmaxf(rintf(quotient) + zero_point, low), high);
}
#if __CUDA_ARCH__ >= 890
struct e4m3_bits { unsigned char bits; };
__device__ inline float load(e4m3_bits x) {
  unsigned pair;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"((unsigned short)x.bits));
  return load(half_bits{(unsigned short)(pair & 0xffff)});
}
template <> struct Store<e4m3_bits> {
  __device__ static e4m3_bits of(float x) {
    unsigned short pair;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(0.0f), "f"(x));
    return {(unsigned char)(pair & 0xff)};
  }
};
#endif
template <typename T, int N> struct alignas(sizeof(T) * N) Pack { T at[N]; };
template <typename Out> struct Gelu {
  template <typename T> __device__ static T of(T x) {
    return T(0.5) * x * (T(1) + erf(x * T(0.70710678118654752440)));
  }
};
// For results of 16 bits: erf by Abramowitz and Stegun, 7.1.26, which errs by less than 1.5e-7.
__device__ inline float gelu_of_16_bits(float x) {
  const float z = fabsf(x) * 0.70710678f;
  const float t = __fdividef(1.0f, 1.0f + 0.3275911f * z);
  const float sum = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float tail = 0.5f * sum * __expf(-z * z);
  return x < 0.0f ? x * tail : x - x * tail;
}
template <> struct Gelu<half_bits> { __device__ static float of(float x) { return gelu_of_16_bits(x); } };
template <> struct Gelu<bfloat_bits> { __device__ static float of(float x) { return gelu_of_16_bits(x); } };
)";

std::string arguments_source() {
  const std::string inputs = std::to_string(kMostGeneratedInputs);
  const std::string axes = std::to_string(kMostGeneratedAxes);
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

// Operands as long as the result, or of one element: several elements a thread, loaded at once.
std::string flat_kernel(const CudaExpression& expression, const NodeFacts& node,
                        const std::vector<bool>& repeats, int width) {
  const std::string n = std::to_string(width);
  std::string loads;
  std::vector<std::string> in_pack;
  std::vector<std::string> alone;
  for (size_t k = 0; k < expression.inputs.size(); ++k) {
    const std::string type = cuda_storage_type(node.inputs[expression.inputs[k]].dtype);
    const std::string name = std::to_string(k);
    if (repeats[k]) {
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

std::string rows_kernel(const CudaExpression& expression, const NodeFacts& node,
                        const std::vector<bool>& repeats, int width) {
  const std::string n = std::to_string(width);
  std::string offsets;
  std::string steps;
  std::string loads;
  std::vector<std::string> values;
  for (size_t k = 0; k < expression.inputs.size(); ++k) {
    const std::string type = cuda_storage_type(node.inputs[expression.inputs[k]].dtype);
    const std::string name = std::to_string(k);
    offsets += "long long o" + name + " = 0;\n";
    steps += "o" + name + " += at * a.strides[" + name + "][axis];\n";
    if (repeats[k]) {
      loads += "const " + type + " x" + name + " = " + input_pointer(k) + "[o" + name + "];\n";
      values.push_back("x" + name);
    } else {
      loads += "const auto x" + name + " = *(const Pack<" + type + ", " + n + ">*)(" +
               input_pointer(k) + " + o" + name + ");\n";
      values.push_back("x" + name + ".at[j]");
    }
  }
  return "extern \"C\" __global__ void rows(const __grid_constant__ Arguments a) {\n" +
         pointers(expression, node) + "const unsigned packs = a.total / " + n +
         ";\n"
         "for (unsigned p = blockIdx.x * blockDim.x + threadIdx.x; p < packs;\n"
         "     p += gridDim.x * blockDim.x) {\n" +
         offsets + "unsigned rest = p;\nunsigned extent = (unsigned)a.extents[a.rank - 1] / " + n +
         ";\nunsigned each = " + n +
         ";\n"
         "for (int axis = a.rank - 1; axis >= 0; --axis) {\n"
         "const unsigned next = axis == 0 ? 0 : rest / extent;\n"
         "const long long at = (long long)(rest - next * extent) * each;\n" +
         steps +
         "rest = next;\neach = 1;\nif (axis > 0) extent = (unsigned)a.extents[axis - 1];\n}\n" +
         loads + "Pack<Out, " + n + "> out;\n_Pragma(\"unroll\") for (int j = 0; j < " + n +
         "; ++j) " + element(expression, "out.at[j]", values) + "*(Pack<Out, " + n +
         ">*)(y + (long long)p * " + n + ") = out;\n}\n}\n";
}

std::string head(const CudaExpression& expression, const NodeFacts& node) {
  return std::string(kPrelude) + arguments_source() + "typedef " + expression.compute +
         " T;\ntypedef " + cuda_storage_type(node.outputs[0].dtype) + " Out;\n";
}

}  // namespace

std::string strided_source(const CudaExpression& expression, const NodeFacts& node) {
  return head(expression, node) + strided_kernel(expression, node);
}

std::string flat_source(const CudaExpression& expression, const NodeFacts& node,
                        const std::vector<bool>& repeats, int width) {
  return head(expression, node) + flat_kernel(expression, node, repeats, width);
}

std::string rows_source(const CudaExpression& expression, const NodeFacts& node,
                        const std::vector<bool>& repeats, int width) {
  return head(expression, node) + rows_kernel(expression, node, repeats, width);
}

}  // namespace penstock::ops
