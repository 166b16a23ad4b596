// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cmath>

#include "ops/recurrent/recurrent.h"

namespace penstock::ops {
namespace {

// An activation of ONNX's recurrent operators, with its default alpha and beta.
struct Entry {
  std::string_view name;
  int parameters;
  double alpha;
  double beta;
  double (*apply)(double x, double alpha, double beta);
};

constexpr Entry kActivations[] = {
    {"relu", 0, 0, 0, [](double x, double, double) { return std::max(x, 0.0); }},
    {"tanh", 0, 0, 0, [](double x, double, double) { return std::tanh(x); }},
    {"sigmoid", 0, 0, 0, [](double x, double, double) { return 1.0 / (1.0 + std::exp(-x)); }},
    {"affine", 2, 1.0, 0.0, [](double x, double a, double b) { return a * x + b; }},
    {"leakyrelu", 1, 0.01, 0, [](double x, double a, double) { return x >= 0 ? x : a * x; }},
    {"thresholdedrelu", 1, 1.0, 0, [](double x, double a, double) { return x > a ? x : 0.0; }},
    {"scaledtanh", 2, 1.0, 1.0, [](double x, double a, double b) { return a * std::tanh(b * x); }},
    {"hardsigmoid", 2, 0.2, 0.5,
     [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }},
    {"elu", 1, 1.0, 0, [](double x, double a, double) { return x >= 0 ? x : a * std::expm1(x); }},
    {"softsign", 0, 0, 0, [](double x, double, double) { return x / (1.0 + std::abs(x)); }},
    {"softplus", 0, 0, 0,
     [](double x, double, double) {
       return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
     }},
};

// ONNX's names are matched in any case: "HardSigmoid", "hardsigmoid".
const Entry* find_activation(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const Entry& entry : kActivations) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace

Result<std::vector<Activation>> activations_of(const ir::Attributes& attributes, int64_t direction,
                                               const std::vector<std::string>& defaults) {
  std::vector<std::string> names;
  auto it = attributes.all().find("activations");
  if (it != attributes.all().end()) {
    if (const auto* given = std::get_if<std::vector<std::string>>(&it->second)) names = *given;
  }
  const size_t wanted = defaults.size();
  const size_t first = wanted * static_cast<size_t>(direction);
  if (names.empty()) {
    for (size_t i = 0; i < first + wanted; ++i) names.push_back(defaults[i % wanted]);
  }
  if (names.size() < first + wanted) {
    return Status(StatusCode::kInvalidModel, "needs " + std::to_string(wanted) +
                                                 " activations for each direction, has " +
                                                 std::to_string(names.size()));
  }
  // Alphas and betas are consumed in order by the activations that have them.
  const std::vector<float> alphas = attributes.get_floats("activation_alpha");
  const std::vector<float> betas = attributes.get_floats("activation_beta");
  size_t next_alpha = 0;
  size_t next_beta = 0;
  std::vector<Activation> result;
  for (size_t i = 0; i < first + wanted; ++i) {
    const Entry* entry = find_activation(names[i]);
    if (entry == nullptr) {
      return Status(StatusCode::kUnsupported, "no activation '" + names[i] + "'");
    }
    double alpha = entry->alpha;
    double beta = entry->beta;
    if (entry->parameters >= 1 && next_alpha < alphas.size()) alpha = alphas[next_alpha++];
    if (entry->parameters >= 2 && next_beta < betas.size()) beta = betas[next_beta++];
    if (i < first) continue;
    result.push_back([entry, alpha, beta](double x) { return entry->apply(x, alpha, beta); });
  }
  return result;
}

}  // namespace penstock::ops
