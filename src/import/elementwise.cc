// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// Sum, Max and Min of any number of inputs: a chain of the two-input operator.
Result<ir::Value*> emit_chain(NodeImporter& node, std::string_view op) {
  ir::Value* total = node.input(0);
  for (size_t i = 1; i < node.inputs().size(); ++i) {
    if (node.input(i) == nullptr) return node.invalid("input " + std::to_string(i) + " is missing");
    PENSTOCK_ASSIGN_OR_RETURN(total, node.emit(op, {total, node.input(i)}));
  }
  return total;
}

Status import_chain(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * total, emit_chain(node, node.rule().core));
  node.alias(0, total);
  return Status::ok();
}

Status import_mean(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * total, emit_chain(node, "Add"));
  if (node.inputs().size() == 1) {
    node.alias(0, total);
    return Status::ok();
  }
  const float share = 1.0f / static_cast<float>(node.inputs().size());
  return node.emit_result("Mul", {total, node.float_constant(share, total->dtype)});
}

// Up to opset 10 the bounds are attributes.
Status import_clip_6(NodeImporter& node) {
  std::vector<ir::Value*> inputs = {node.input(0), nullptr, nullptr};
  const DataType dtype = node.input(0)->dtype;
  if (!is_floating(dtype)) return node.invalid("takes floating types only before opset 12");
  const ir::Attributes& bounds = node.attributes();
  if (bounds.has("min")) inputs[1] = node.float_constant(bounds.get_float("min"), dtype);
  if (bounds.has("max")) inputs[2] = node.float_constant(bounds.get_float("max"), dtype);
  return node.emit_result("Clip", std::move(inputs));
}

// Strings are not numbers: reading and writing them are operators of their own. How to round
// matters to the small types alone: other casts are equal without it.
Status emit_cast(NodeImporter& node, DataType to) {
  const DataType from = node.input(0)->dtype;
  if (from == DataType::kString && to == DataType::kString) {
    node.alias(0, node.input(0));
    return Status::ok();
  }
  ir::Attributes attributes;
  if (to == DataType::kString) return node.emit_result("NumberToString", {node.input(0)});
  attributes.set("to", static_cast<int64_t>(to));
  if (from == DataType::kString) {
    return node.emit_result("StringToNumber", {node.input(0)}, std::move(attributes));
  }
  if (is_small(to)) {
    attributes.set("saturate", node.attributes().get_int("saturate", 1));
    attributes.set("round_mode", node.attributes().get_string("round_mode", "up"));
  }
  return node.emit_result("Cast", {node.input(0)}, std::move(attributes));
}

Status import_equal(NodeImporter& node) {
  const bool strings = node.input(0)->dtype == DataType::kString;
  return node.emit_result(strings ? "StringEqual" : "Equal", node.inputs());
}

Status import_cast(NodeImporter& node) {
  return emit_cast(node, static_cast<DataType>(node.attributes().get_int("to")));
}

Status import_cast_like(NodeImporter& node) { return emit_cast(node, node.input(1)->dtype); }

// IsNaN and IsInf of float8: floats hold all their values.
Status import_float_test(NodeImporter& node) {
  ir::Value* x = node.input(0);
  if (is_small(x->dtype)) {
    PENSTOCK_ASSIGN_OR_RETURN(
        x, node.emit("Cast", {x}, {{"to", static_cast<int64_t>(DataType::kFloat32)}}));
  }
  return node.emit_result(node.rule().op, {x}, node.attributes());
}

// SwiGLU(a, b) = Swish(a) * b
Status import_swiglu(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(
      ir::Value * gate,
      node.emit("Swish", {node.input(0)}, {{"alpha", node.attributes().get_float("alpha", 1.0f)}}));
  return node.emit_result("Mul", {gate, node.input(1)});
}

constexpr Rule kRules[] = {
    {"Abs", 6, {1, 1}},
    {"Acos", 7, {1, 1}},
    {"Acosh", 9, {1, 1}},
    {"Asin", 7, {1, 1}},
    {"Asinh", 9, {1, 1}},
    {"Atan", 7, {1, 1}},
    {"Atanh", 9, {1, 1}},
    {"BitwiseNot", 18, {1, 1}},
    {"Ceil", 6, {1, 1}},
    {"Celu", 12, {1, 1}, 1, "alpha:f"},
    {"Cos", 7, {1, 1}},
    {"Cosh", 9, {1, 1}},
    {"Elu", 6, {1, 1}, 1, "alpha:f"},
    {"Erf", 9, {1, 1}},
    {"Exp", 6, {1, 1}},
    {"Floor", 6, {1, 1}},
    {"Gelu", 20, {1, 1}, 1, "approximate:s"},
    {"HardSigmoid", 6, {1, 1}, 1, "alpha:f beta:f"},
    {"HardSwish", 14, {1, 1}},
    {"IsInf", 10, {1, 1}, 1, "detect_negative:i detect_positive:i"},
    {"IsInf",
     20,
     {1, 1},
     1,
     "detect_negative:i detect_positive:i",
     import_float_test,
     "Cast IsInf"},
    {"IsNaN", 9, {1, 1}},
    {"IsNaN", 20, {1, 1}, 1, "", import_float_test, "Cast IsNaN"},
    {"LeakyRelu", 6, {1, 1}, 1, "alpha:f"},
    {"Log", 6, {1, 1}},
    {"Mish", 18, {1, 1}},
    {"Neg", 6, {1, 1}},
    {"Not", 1, {1, 1}},
    {"Reciprocal", 6, {1, 1}},
    {"Relu", 6, {1, 1}},
    {"Round", 11, {1, 1}},
    {"Selu", 6, {1, 1}, 1, "alpha:f gamma:f"},
    {"Shrink", 9, {1, 1}, 1, "lambd:f bias:f"},
    {"Sigmoid", 6, {1, 1}},
    {"Sign", 9, {1, 1}},
    {"Sin", 7, {1, 1}},
    {"Sinh", 9, {1, 1}},
    {"Softplus", 1, {1, 1}},
    {"Softsign", 1, {1, 1}},
    {"Sqrt", 6, {1, 1}},
    {"Swish", 24, {1, 1}, 1, "alpha:f"},
    {"Tan", 7, {1, 1}},
    {"Tanh", 6, {1, 1}},
    {"ThresholdedRelu", 10, {1, 1}, 1, "alpha:f"},

    {"Add", 7, {2, 2}},
    {"And", 7, {2, 2}},
    {"BitShift", 11, {2, 2}, 1, "direction:s"},
    {"BitwiseAnd", 18, {2, 2}},
    {"BitwiseOr", 18, {2, 2}},
    {"BitwiseXor", 18, {2, 2}},
    {"Div", 7, {2, 2}},
    {"Equal", 7, {2, 2}, 1, "", import_equal},
    {"Greater", 7, {2, 2}},
    {"GreaterOrEqual", 12, {2, 2}},
    {"Less", 7, {2, 2}},
    {"LessOrEqual", 12, {2, 2}},
    {"Mod", 10, {2, 2}, 1, "fmod:i"},
    {"Mul", 7, {2, 2}},
    {"Or", 7, {2, 2}},
    {"PRelu", 7, {2, 2}},
    {"Pow", 7, {2, 2}},
    {"Sub", 7, {2, 2}},
    {"SwiGLU", 28, {2, 2}, 1, "alpha:f", import_swiglu, "Swish Mul"},
    {"Xor", 7, {2, 2}},

    {"Max", 1, {1, Arity::kAny}, 1, "~consumed_inputs:I", import_chain, "Max"},
    {"Max", 6, {1, Arity::kAny}, 1, "", import_chain, "Max"},
    {"Mean", 1, {1, Arity::kAny}, 1, "~consumed_inputs:I", import_mean, "Add Mul"},
    {"Mean", 6, {1, Arity::kAny}, 1, "", import_mean, "Add Mul"},
    {"Min", 1, {1, Arity::kAny}, 1, "~consumed_inputs:I", import_chain, "Min"},
    {"Min", 6, {1, Arity::kAny}, 1, "", import_chain, "Min"},
    {"Sum", 1, {1, Arity::kAny}, 1, "~consumed_inputs:I", import_chain, "Add"},
    {"Sum", 6, {1, Arity::kAny}, 1, "", import_chain, "Add"},

    {"Cast", 6, {1, 1}, 1, "to:i saturate:i round_mode:s", import_cast, "Cast"},
    {"CastLike", 15, {2, 2}, 1, "saturate:i round_mode:s", import_cast_like, "Cast"},
    {"Clip", 1, {1, 1}, 1, "min:f max:f ~consumed_inputs:I", import_clip_6, "Clip"},
    {"Clip", 6, {1, 1}, 1, "min:f max:f", import_clip_6, "Clip"},
    {"Clip", 11, {1, 3}},
    {"Where", 9, {3, 3}},
};

}  // namespace

RuleList elementwise_rules() { return kRules; }

}  // namespace penstock::importer
