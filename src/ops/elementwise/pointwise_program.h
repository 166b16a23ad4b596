// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/tactic.h"
#include "ir/graph.h"

namespace penstock::ops {

// A literal argument: an attribute of the core operator.
struct PointwiseParameter {
  std::string_view attribute;
  float otherwise = 0;  // value where the attribute, or the literal, is absent
};

// A function that programs call: a core operator under its name in programs. Results and operands
// are floats; where the operator has bool ones, they are 0 and 1.
struct PointwiseFunction {
  std::string_view name;    // "leaky_relu"
  std::string_view op;      // "LeakyRelu"
  int operands = 1;         // arguments that vary by element
  int bool_operands = 0;    // the first of these are bool in the operator
  bool gives_bool = false;  // the operator's result is bool
  int parameters = 0;       // literals after the operands
  std::array<PointwiseParameter, 2> parameter = {};
};

// Null where there is no such function.
const PointwiseFunction* find_pointwise_function(std::string_view name);
std::span<const PointwiseFunction> pointwise_functions();

// One argument of a call.
struct PointwiseArgument {
  enum class Kind : uint8_t { kInput, kResult, kLiteral };
  Kind kind = Kind::kInput;
  int index = 0;    // of the input, or of the earlier call
  float value = 0;  // of the literal
  bool operator==(const PointwiseArgument&) const = default;
};

struct PointwiseCall {
  const PointwiseFunction* function = nullptr;
  std::vector<PointwiseArgument> operands;
  std::vector<float> parameters;  // all of them, absent ones filled in
  bool operator==(const PointwiseCall&) const = default;

  // The attributes that the core operator has in this call.
  ir::Attributes attributes() const;
};

// The expression of a Pointwise node (docs/core-operators.md): calls in order, the last one is the
// result. Never empty once parsed.
struct PointwiseProgram {
  std::vector<PointwiseCall> calls;

  int input_count() const;  // one more than the largest input it names
  bool operator==(const PointwiseProgram&) const = default;
};

// An error names the call and what is wrong with it.
Result<PointwiseProgram> parse_pointwise(std::string_view text);
// "add(i0,i1);relu(t0)": parses to the same program.
std::string to_text(const PointwiseProgram& program);
// The shortest decimal that reads back as the same float; "inf", "-inf", "nan".
std::string to_text(float literal);

// The call that a core node makes, with "$0", "$1", ... for its inputs that stay operands:
// "add($0,$1)", "clip($0,0,6)", "mul($0,0.5)" for a Mul by a scalar constant. Nothing where no
// program can do the node's work: other types than float32 and bool, a function outside the table,
// bounds that are not constant. This is all that fusion needs to know of operators.
std::optional<std::string> pointwise_call(const ir::Node& node);
// Same for a node with concrete shapes. Clip with varying bounds becomes two calls.
std::optional<std::string> pointwise_call(const backends::NodeFacts& node);

}  // namespace penstock::ops
