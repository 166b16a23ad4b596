// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// One step of an optimizer, of the domain ai.onnx.preview.training, as arithmetic.
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

using ir::Value;

Result<Value*> multiplied(NodeImporter& node, Value* x, float factor) {
  if (factor == 1.0f) return x;
  return node.emit("Mul", {x, node.float_constant(factor, x->dtype)});
}

Result<Value*> cast(NodeImporter& node, Value* x, DataType type) {
  if (x->dtype == type) return x;
  return node.emit("Cast", {x}, {{"to", static_cast<int64_t>(type)}});
}

// a * x + b * y
Result<Value*> mixed(NodeImporter& node, float a, Value* x, float b, Value* y) {
  PENSTOCK_ASSIGN_OR_RETURN(Value * left, multiplied(node, x, a));
  PENSTOCK_ASSIGN_OR_RETURN(Value * right, multiplied(node, y, b));
  return node.emit("Add", {left, right});
}

// The gradient with that of norm_coefficient * |x|^2 / 2.
Result<Value*> regularized(NodeImporter& node, Value* x, Value* gradient) {
  const float norm = node.attributes().get_float("norm_coefficient");
  if (norm == 0.0f) return gradient;
  return mixed(node, norm, x, 1.0f, gradient);
}

// x - step * rate, of which the rate is a scalar.
Result<Value*> descended(NodeImporter& node, Value* x, Value* step, Value* rate) {
  PENSTOCK_ASSIGN_OR_RETURN(Value * factor, cast(node, rate, x->dtype));
  PENSTOCK_ASSIGN_OR_RETURN(Value * distance, node.emit("Mul", {step, factor}));
  return node.emit("Sub", {x, distance});
}

// step / (sqrt(squares) + epsilon)
Result<Value*> adapted(NodeImporter& node, Value* step, Value* squares) {
  const float epsilon = node.attributes().get_float("epsilon", 1e-6f);
  PENSTOCK_ASSIGN_OR_RETURN(Value * root, node.emit("Sqrt", {squares}));
  PENSTOCK_ASSIGN_OR_RETURN(Value * sum,
                            node.emit("Add", {root, node.float_constant(epsilon, root->dtype)}));
  return node.emit("Div", {step, sum});
}

// Inputs are the rate R, the count T and then the tensors: all x, all gradients, all of each state.
// Outputs are all x, all of each state. Gives how many tensors are optimized.
Result<size_t> tensor_count(const NodeImporter& node, size_t states) {
  const size_t lists = 2 + states;
  const size_t inputs = node.inputs().size() - 2;
  const size_t count = inputs / lists;
  if (inputs % lists != 0 || node.output_count() > count * (1 + states)) {
    return node.invalid(std::to_string(inputs) + " tensors and " +
                        std::to_string(node.output_count()) + " outputs are not " +
                        std::to_string(lists) + " and " + std::to_string(1 + states) +
                        " for each that is optimized");
  }
  for (const Value* input : node.inputs()) {
    if (input == nullptr) return node.invalid("an input is missing");
  }
  return count;
}

// True where the count T is above 0.
Result<Value*> is_later(NodeImporter& node, Value* wide_count) {
  return node.emit("Greater", {wide_count, node.float_constant(0.0f, wide_count->dtype)});
}

Status import_adagrad(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const size_t n, tensor_count(node, 1));
  const DataType wide = DataType::kFloat64;
  const float decay = node.attributes().get_float("decay_factor");
  Value* rate = node.input(0);
  if (decay != 0.0f) {
    PENSTOCK_ASSIGN_OR_RETURN(Value * count, cast(node, node.input(1), wide));
    PENSTOCK_ASSIGN_OR_RETURN(Value * growth,
                              mixed(node, decay, count, 1.0f, node.float_constant(1.0f, wide)));
    PENSTOCK_ASSIGN_OR_RETURN(Value * first, cast(node, rate, wide));
    PENSTOCK_ASSIGN_OR_RETURN(rate, node.emit("Div", {first, growth}));
  }
  for (size_t i = 0; i < n; ++i) {
    Value* x = node.input(2 + i);
    PENSTOCK_ASSIGN_OR_RETURN(Value * gradient, regularized(node, x, node.input(2 + n + i)));
    PENSTOCK_ASSIGN_OR_RETURN(Value * square, node.emit("Mul", {gradient, gradient}));
    PENSTOCK_ASSIGN_OR_RETURN(Value * squares,
                              node.emit("Add", {node.input(2 + 2 * n + i), square}));
    PENSTOCK_ASSIGN_OR_RETURN(Value * step, adapted(node, gradient, squares));
    PENSTOCK_ASSIGN_OR_RETURN(Value * result, descended(node, x, step, rate));
    node.alias(i, result);
    node.alias(n + i, squares);
  }
  return Status::ok();
}

// R * sqrt(1 - beta^T) / (1 - alpha^T), and R where T is 0.
Result<Value*> bias_corrected_rate(NodeImporter& node, float alpha, float beta) {
  const DataType wide = DataType::kFloat64;
  PENSTOCK_ASSIGN_OR_RETURN(Value * rate, cast(node, node.input(0), wide));
  PENSTOCK_ASSIGN_OR_RETURN(Value * count, cast(node, node.input(1), wide));
  const auto rest_of = [&](float base) -> Result<Value*> {
    PENSTOCK_ASSIGN_OR_RETURN(Value * power,
                              node.emit("Pow", {node.float_constant(base, wide), count}));
    return node.emit("Sub", {node.float_constant(1.0f, wide), power});
  };
  PENSTOCK_ASSIGN_OR_RETURN(Value * of_squares, rest_of(beta));
  PENSTOCK_ASSIGN_OR_RETURN(Value * of_gradients, rest_of(alpha));
  PENSTOCK_ASSIGN_OR_RETURN(Value * root, node.emit("Sqrt", {of_squares}));
  PENSTOCK_ASSIGN_OR_RETURN(Value * dividend, node.emit("Mul", {rate, root}));
  PENSTOCK_ASSIGN_OR_RETURN(Value * corrected, node.emit("Div", {dividend, of_gradients}));
  PENSTOCK_ASSIGN_OR_RETURN(Value * later, is_later(node, count));
  return node.emit("Where", {later, corrected, rate});
}

Status import_adam(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const size_t n, tensor_count(node, 2));
  const float alpha = node.attributes().get_float("alpha", 0.9f);
  const float beta = node.attributes().get_float("beta", 0.999f);
  const float shrink = 1.0f - node.attributes().get_float("norm_coefficient_post");
  PENSTOCK_ASSIGN_OR_RETURN(Value * rate, bias_corrected_rate(node, alpha, beta));
  for (size_t i = 0; i < n; ++i) {
    Value* x = node.input(2 + i);
    PENSTOCK_ASSIGN_OR_RETURN(Value * gradient, regularized(node, x, node.input(2 + n + i)));
    PENSTOCK_ASSIGN_OR_RETURN(Value * square, node.emit("Mul", {gradient, gradient}));
    PENSTOCK_ASSIGN_OR_RETURN(
        Value * gradients, mixed(node, alpha, node.input(2 + 2 * n + i), 1.0f - alpha, gradient));
    PENSTOCK_ASSIGN_OR_RETURN(Value * squares,
                              mixed(node, beta, node.input(2 + 3 * n + i), 1.0f - beta, square));
    PENSTOCK_ASSIGN_OR_RETURN(Value * step, adapted(node, gradients, squares));
    PENSTOCK_ASSIGN_OR_RETURN(Value * moved, descended(node, x, step, rate));
    PENSTOCK_ASSIGN_OR_RETURN(Value * result, multiplied(node, moved, shrink));
    node.alias(i, result);
    node.alias(n + i, gradients);
    node.alias(2 * n + i, squares);
  }
  return Status::ok();
}

Status import_momentum(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(const size_t n, tensor_count(node, 1));
  const DataType wide = DataType::kFloat64;
  const float alpha = node.attributes().get_float("alpha");
  const float beta = node.attributes().get_float("beta");
  const std::string mode = node.attributes().get_string("mode");
  if (mode != "standard" && mode != "nesterov") {
    return node.invalid("mode '" + mode + "' is neither standard nor nesterov");
  }
  PENSTOCK_ASSIGN_OR_RETURN(Value * count, cast(node, node.input(1), wide));
  PENSTOCK_ASSIGN_OR_RETURN(Value * later, is_later(node, count));
  PENSTOCK_ASSIGN_OR_RETURN(Value * share,
                            node.emit("Where", {later, node.float_constant(beta, wide),
                                                node.float_constant(1.0f, wide)}));
  for (size_t i = 0; i < n; ++i) {
    Value* x = node.input(2 + i);
    PENSTOCK_ASSIGN_OR_RETURN(Value * gradient, regularized(node, x, node.input(2 + n + i)));
    PENSTOCK_ASSIGN_OR_RETURN(Value * factor, cast(node, share, x->dtype));
    PENSTOCK_ASSIGN_OR_RETURN(Value * added, node.emit("Mul", {gradient, factor}));
    PENSTOCK_ASSIGN_OR_RETURN(Value * velocity,
                              mixed(node, alpha, node.input(2 + 2 * n + i), 1.0f, added));
    Value* step = velocity;
    if (mode == "nesterov") {
      PENSTOCK_ASSIGN_OR_RETURN(step, mixed(node, alpha, velocity, 1.0f, gradient));
    }
    PENSTOCK_ASSIGN_OR_RETURN(Value * result, descended(node, x, step, node.input(0)));
    node.alias(i, result);
    node.alias(n + i, velocity);
  }
  return Status::ok();
}

constexpr Rule kRules[] = {
    {"ai.onnx.preview.training::Adagrad",
     1,
     {5, Arity::kAny},
     Arity::kAny,
     "decay_factor:f epsilon:f norm_coefficient:f",
     import_adagrad,
     "Add Cast Div Mul Sqrt Sub"},
    {"ai.onnx.preview.training::Adam",
     1,
     {6, Arity::kAny},
     Arity::kAny,
     "alpha:f beta:f epsilon:f norm_coefficient:f norm_coefficient_post:f",
     import_adam,
     "Add Cast Div Greater Mul Pow Sqrt Sub Where"},
    {"ai.onnx.preview.training::Momentum",
     1,
     {5, Arity::kAny},
     Arity::kAny,
     "alpha:f beta:f mode:s norm_coefficient:f",
     import_momentum,
     "Add Cast Greater Mul Sub Where"},
};

}  // namespace

RuleList training_rules() { return kRules; }

}  // namespace penstock::importer
