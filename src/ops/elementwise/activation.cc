// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/unary_kernel.h"

namespace penstock::ops {
namespace {

using ir::Attributes;

template <auto kFunction>
constexpr OpDefinition floating(std::string_view name) {
  return unary<Elements::kFloating, kFunction>(name);
}
template <auto kMake>
constexpr OpDefinition floating_with(std::string_view name) {
  return unary_with<Elements::kFloating, kMake>(name);
}

template <typename T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}

// log(1 + e^x) without overflow.
template <typename T>
T softplus(T x) {
  return std::max(x, T(0)) + std::log1p(std::exp(-std::fabs(x)));
}

template <typename T>
T clip_to_unit(T x) {
  return x < 0 ? T(0) : x > 1 ? T(1) : x;
}

// https://onnx.ai/onnx/operators/onnx__Gelu.html
template <typename T>
T gelu(T x, bool by_tanh) {
  if (!by_tanh) return x / 2 * (1 + std::erf(x * T(0.70710678118654752440)));
  const T u = T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);  // sqrt(2 / pi)
  return x / 2 * (1 + std::tanh(u));
}

template <typename T>
T shrink(T x, float lambda, float bias) {
  const auto wide = static_cast<std::common_type_t<T, float>>(x);
  if (wide < -lambda) return static_cast<T>(wide + bias);
  if (wide > lambda) return static_cast<T>(wide - bias);
  return T(0);
}

// A factory per function: reads the attributes once, then works on elements.
constexpr auto kLeakyRelu = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 0.01f);
  return [=](auto x) { return x < 0 ? alpha * x : x; };
};
constexpr auto kElu = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 1.0f);
  return [=](auto x) { return x < 0 ? alpha * std::expm1(x) : x; };
};
constexpr auto kSelu = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 1.67326319217681884765625f);
  const float gamma = a.get_float("gamma", 1.05070102214813232421875f);
  return [=](auto x) { return gamma * (x < 0 ? alpha * std::expm1(x) : x); };
};
constexpr auto kCelu = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 1.0f);
  return [=](auto x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; };
};
constexpr auto kHardSigmoid = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 0.2f);
  const float beta = a.get_float("beta", 0.5f);
  return [=](auto x) { return clip_to_unit(alpha * x + beta); };
};
constexpr auto kGelu = [](const Attributes& a) {
  const bool by_tanh = a.get_string("approximate", "none") == "tanh";
  return [=](auto x) { return gelu(x, by_tanh); };
};
constexpr auto kSwish = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 1.0f);
  return [=](auto x) { return x * sigmoid(alpha * x); };
};
constexpr auto kThresholdedRelu = [](const Attributes& a) {
  const float alpha = a.get_float("alpha", 1.0f);
  return [=](auto x) { return x > alpha ? x : decltype(x)(0); };
};
constexpr auto kShrink = [](const Attributes& a) {
  const float lambda = a.get_float("lambd", 0.5f);
  const float bias = a.get_float("bias", 0.0f);
  return [=](auto x) { return shrink(x, lambda, bias); };
};

constexpr OpDefinition kOps[] = {
    unary<Elements::kSigned, [](auto x) { return x < 0 ? decltype(x)(0) : x; }>("Relu"),
    unary_with<Elements::kNumber, kShrink>("Shrink"),
    floating<[](auto x) { return sigmoid(x); }>("Sigmoid"),
    floating<[](auto x) { return softplus(x); }>("Softplus"),
    floating<[](auto x) { return x / (1 + std::fabs(x)); }>("Softsign"),
    floating<[](auto x) { return x * std::tanh(softplus(x)); }>("Mish"),
    floating<[](auto x) { return x * clip_to_unit(x / 6 + decltype(x)(0.5)); }>("HardSwish"),
    floating_with<kLeakyRelu>("LeakyRelu"),
    floating_with<kElu>("Elu"),
    floating_with<kSelu>("Selu"),
    floating_with<kCelu>("Celu"),
    floating_with<kHardSigmoid>("HardSigmoid"),
    floating_with<kGelu>("Gelu"),
    floating_with<kSwish>("Swish"),
    floating_with<kThresholdedRelu>("ThresholdedRelu"),
};

}  // namespace

std::span<const OpDefinition> activation_ops() { return kOps; }

}  // namespace penstock::ops
