// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

// What a convolution or matrix product does to its result before storing it: attribute "epilogue",
// written as docs/core-operators.md says ("add(3);relu").
struct EpilogueStep {
  enum class Kind : uint8_t {
    kAdd,  // of input `input`, broadcast to the result
    kMul,
    kRelu,
    kLeakyRelu,    // x < 0 ? a * x : x
    kClip,         // to [a, b]
    kSigmoid,      // 1 / (1 + exp(-x))
    kTanh,         //
    kGelu,         // x * (1 + erf(x / sqrt(2))) / 2
    kGeluTanh,     // x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
    kSilu,         // x * sigmoid(x)
    kHardSwish,    // x * clip(x / 6 + 1/2, 0, 1)
    kHardSigmoid,  // clip(a * x + b, 0, 1)
    kElu,          // x < 0 ? a * (exp(x) - 1) : x
    kRound,        // a * clip(round_half_even(x / a), b, c): through 8 bits and back
  };
  Kind kind = Kind::kRelu;
  int input = -1;
  // Of an operand of 8 bits: element q stands for (q - b) * a. 0 is an operand as it is.
  float a = 0.0f;
  float b = 0.0f;
  float c = 0.0f;

  bool is_binary() const { return kind == Kind::kAdd || kind == Kind::kMul; }
  bool is_dequantized() const { return is_binary() && a != 0.0f; }
  bool operator==(const EpilogueStep&) const = default;
};

using Epilogue = std::vector<EpilogueStep>;

// Empty text is no epilogue. Errors quote the step.
Result<Epilogue> parse_epilogue(std::string_view text);
std::string print_epilogue(const Epilogue& epilogue);

// For shape rules: attribute "epilogue" parses, and each operand it names is at `first_operand` or
// after, present, and broadcasts to `result`. Operands of 8 bits, with their scale, may stand in
// the operators that compute in 8 bits.
Status check_epilogue(const InferContext& context, size_t first_operand,
                      const ir::SymbolicShape& result);

// x after a step that has no operand.
double activate(const EpilogueStep& step, double x);
// For reference kernels: runs the node's epilogue over `values`, a row-major tensor of `shape`.
Status apply_epilogue(const backends::NodeFacts& node, const backends::KernelRun& run,
                      const Shape& shape, std::span<double> values);
// values += operand, broadcast: a bias.
Status add_broadcast(const backends::TensorView& operand, const Shape& shape,
                     std::span<double> values);

// Elements of a numeric tensor, widened; and back, rounded to the type of `view`.
Result<std::vector<double>> read_doubles(const backends::TensorView& view);
Status write_doubles(std::span<const double> values, const backends::TensorView& view);

}  // namespace penstock::ops
