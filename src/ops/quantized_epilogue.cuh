// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What follows the sums of a product of 8-bit integers, for neighbouring outputs of one pixel.
#pragma once

#include "backends/cuda/byte_types.cuh"
#include "backends/cuda/launch_math.cuh"
#include "ops/activation.cuh"
#include "ops/quantized_product_cuda.h"

namespace penstock::ops {

template <int Width>
__device__ void load_operand(const ProductStep& step, int64_t index, float* to) {
  using backends::cuda::load_floats;
  switch (step.type) {
    case DataType::kInt8: load_floats<Width>(static_cast<const int8_t*>(step.operand) + index, to); break;
    case DataType::kUInt8: load_floats<Width>(static_cast<const uint8_t*>(step.operand) + index, to); break;
    case DataType::kFloat16: load_floats<Width>(static_cast<const __half*>(step.operand) + index, to); break;
    case DataType::kBFloat16: load_floats<Width>(static_cast<const __nv_bfloat16*>(step.operand) + index, to); break;
    default: load_floats<Width>(static_cast<const float*>(step.operand) + index, to); break;
  }
  if (step.a == 0.0f) return;
#pragma unroll
  for (int i = 0; i < Width; ++i) to[i] = (to[i] - step.b) * step.a;
}

template <int Width, typename T>
__device__ void store_quantized(const ProductArguments& a, float* values, int64_t index) {
  using backends::cuda::store_floats;
  constexpr float kLow = T(-1) < T(0) ? -128.0f : 0.0f;
  constexpr float kHigh = kLow + 255.0f;
  const auto zero = static_cast<float>(a.y_zero);
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    values[i] = fminf(fmaxf(rintf(values[i] / a.y_scale) + zero, kLow), kHigh);
  }
  store_floats<Width>(values, static_cast<T*>(a.y) + index);
}

template <int Width>
__device__ void scale_sums(const ProductArguments& a, const int* sums, int output, float* values) {
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    const int offset = __float_as_int(a.terms[2 * a.outputs + output + i]);
    values[i] = static_cast<float>(sums[i] - offset) * a.terms[output + i] +
                a.terms[a.outputs + output + i];
  }
}

// Outputs from `output` on, whose elements in y, and in operands, begin at `index`. Width 1, or
// packs that do not go beyond the outputs and are aligned. Any epilogue, hence long: it is kept
// out of the kernels' loops.
template <int Width>
__device__ __noinline__ void finish_any(const ProductArguments& a, const int* sums, int output,
                                        int64_t index) {
  using backends::cuda::store_floats;
  float values[Width];
  scale_sums<Width>(a, sums, output, values);
  for (int s = 0; s < a.steps; ++s) {
    const ProductStep& step = a.step[s];
    if (step.operand != nullptr) {
      float operand[Width];
      load_operand<Width>(step, index, operand);
#pragma unroll
      for (int i = 0; i < Width; ++i) {
        values[i] = step.kind == EpilogueStep::Kind::kAdd ? values[i] + operand[i]
                                                          : values[i] * operand[i];
      }
      continue;
    }
#pragma unroll 1
    for (int i = 0; i < Width; ++i) values[i] = activate(step.kind, step.a, step.b, step.c, values[i]);
  }
  switch (a.y_type) {
    case DataType::kInt8: store_quantized<Width, int8_t>(a, values, index); break;
    case DataType::kUInt8: store_quantized<Width, uint8_t>(a, values, index); break;
    case DataType::kFloat16: store_floats<Width>(values, static_cast<__half*>(a.y) + index); break;
    case DataType::kBFloat16: store_floats<Width>(values, static_cast<__nv_bfloat16*>(a.y) + index); break;
    default: store_floats<Width>(values, static_cast<float*>(a.y) + index); break;
  }
}

// The epilogue that most products of quantized networks have, in units of y: an addend of 8 bits or
// none, a floor or none, 8 outputs of 8 bits.
struct ByteEpilogue {
  bool has_addend = false;
  bool addend_unsigned = false;
  const void* addend = nullptr;
  float addend_scale = 0;
  float constant = 0;   // y's zero point, and the addend's
  float floor = 0;      // relu: y's zero point; else below all
  float y_factor = 1;   // 1 / y_scale
  bool y_unsigned = false;
};

// Of 8 outputs, for all of a thread's rows.
struct ByteTerms {
  float scales[8];
  float biases[8];
  int offsets[8];
};

__device__ inline ByteTerms byte_terms(const ProductArguments& a, const ByteEpilogue& e,
                                       int output) {
  ByteTerms terms;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    terms.scales[i] = a.terms[output + i] * e.y_factor;
    terms.biases[i] = a.terms[a.outputs + output + i] * e.y_factor + e.constant;
    terms.offsets[i] = __float_as_int(a.terms[2 * a.outputs + output + i]);
  }
  return terms;
}

// Four bytes of the nearest integers, saturated.
__device__ inline uint32_t pack_bytes(const float* values, bool is_unsigned) {
  const int a = __float2int_rn(values[0]);
  const int b = __float2int_rn(values[1]);
  const int c = __float2int_rn(values[2]);
  const int d = __float2int_rn(values[3]);
  uint32_t packed;
  if (is_unsigned) {
    asm("{ .reg .b32 high; cvt.pack.sat.u8.s32.b32 high, %4, %3, 0; "
        "cvt.pack.sat.u8.s32.b32 %0, %2, %1, high; }"
        : "=r"(packed)
        : "r"(a), "r"(b), "r"(c), "r"(d));
  } else {
    asm("{ .reg .b32 high; cvt.pack.sat.s8.s32.b32 high, %4, %3, 0; "
        "cvt.pack.sat.s8.s32.b32 %0, %2, %1, high; }"
        : "=r"(packed)
        : "r"(a), "r"(b), "r"(c), "r"(d));
  }
  return packed;
}

__device__ inline uint2 load_addend(const ByteEpilogue& e, int64_t index) {
  return *reinterpret_cast<const uint2*>(static_cast<const uint8_t*>(e.addend) + index);
}

__device__ inline uint2 finish_bytes(const ByteEpilogue& e, const ByteTerms& terms, const int* sums,
                                     uint2 addend) {
  float values[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    values[i] = static_cast<float>(sums[i] - terms.offsets[i]) * terms.scales[i] + terms.biases[i];
  }
  if (e.has_addend) {
    const uint32_t words[2] = {addend.x, addend.y};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const uint32_t byte = words[i / 4] >> (i % 4 * 8) & 0xffu;
      const int number = e.addend_unsigned ? static_cast<int>(byte)
                                           : static_cast<int>(static_cast<int8_t>(byte));
      values[i] += static_cast<float>(number) * e.addend_scale;
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] = fmaxf(values[i], e.floor);
  return make_uint2(pack_bytes(values, e.y_unsigned), pack_bytes(values + 4, e.y_unsigned));
}

}  // namespace penstock::ops
