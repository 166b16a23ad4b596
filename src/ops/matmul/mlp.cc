// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/matmul/mlp.h"

#include "ops/matmul/operators.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::Dim;
using ir::SymbolicShape;

Status infer_mlp(InferContext& c) {
  PENSTOCK_ASSIGN_OR_RETURN(const MlpFacts facts, mlp_facts(c.attributes(), c.input_count()));
  PENSTOCK_ASSIGN_OR_RETURN(SymbolicShape shape, infer_embedding_rows(c, facts.pieces));
  for (const MlpLayer& layer : facts.layers) {
    if (!c.has_input(layer.weights) || c.rank(layer.weights) != 2) {
      return c.error("input " + std::to_string(layer.weights) + " is no matrix");
    }
    const SymbolicShape& weights = c.shape(layer.weights);
    const Dim& rows = weights[layer.trans_b ? 1 : 0];
    if (!unify(shape[1], rows)) {
      return c.error("rows " + ir::to_string(shape) + " meet weights " + ir::to_string(weights));
    }
    shape[1] = weights[layer.trans_b ? 0 : 1];
    if (c.has_input(layer.bias) && c.shape(layer.bias) != SymbolicShape{shape[1]}) {
      return c.error("a bias of shape " + ir::to_string(c.shape(layer.bias)));
    }
  }
  c.set_output(0, static_cast<DataType>(c.attributes().get_int("to")), std::move(shape));
  return Status::ok();
}

// Numbers rounded to an element type, as values between nodes are.
Status round_to(DataType dtype, std::vector<double>& values) {
  const Shape shape = {static_cast<int64_t>(values.size())};
  const ir::ConstantRef rounded = ir::make_constant(dtype, shape, nullptr);
  const TensorView view = {dtype, ir::Layout::kPlain, &shape,
                           const_cast<std::byte*>(rounded->data)};
  PENSTOCK_RETURN_IF_ERROR(write_doubles(values, view));
  PENSTOCK_ASSIGN_OR_RETURN(values, read_doubles(view));
  return Status::ok();
}

// values [rows, k] become [rows, n].
Status multiply(const MlpLayer& layer, const KernelRun& run, Shape& shape,
                std::vector<double>& values) {
  const Shape& matrix = *run.input(layer.weights).shape;
  const int64_t k = matrix[layer.trans_b ? 1 : 0];
  const int64_t n = matrix[layer.trans_b ? 0 : 1];
  if (k != shape[1]) {
    return {StatusCode::kInvalidArgument,
            std::to_string(shape[1]) + " columns meet weights " + to_string(matrix)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<double> weights,
                            read_doubles(run.input(layer.weights)));
  std::vector<double> result(static_cast<size_t>(shape[0] * n));
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) {
        sum += values[row * k + i] * weights[layer.trans_b ? column * k + i : i * n + column];
      }
      result[row * n + column] = sum;
    }
  }
  shape[1] = n;
  values = std::move(result);
  if (run.has_input(layer.bias)) {
    PENSTOCK_RETURN_IF_ERROR(add_broadcast(run.input(layer.bias), shape, values));
  }
  for (const EpilogueStep& step : layer.epilogue) {
    for (double& value : values) value = activate(step, value);
  }
  return Status::ok();
}

Status run_mlp(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(const MlpFacts facts, mlp_facts(node.attributes, run.input_count()));
  Shape shape;
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<double> values,
                            read_embedding_rows(facts.pieces, run, shape));
  for (const MlpLayer& layer : facts.layers) {
    PENSTOCK_RETURN_IF_ERROR(round_to(run.input(layer.weights).dtype, values));
    PENSTOCK_RETURN_IF_ERROR(multiply(layer, run, shape, values));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  return write_doubles(values, y);
}

}  // namespace

Result<MlpFacts> mlp_facts(const ir::Attributes& attributes, size_t inputs) {
  MlpFacts facts;
  PENSTOCK_ASSIGN_OR_RETURN(facts.pieces, embedding_pieces(attributes, inputs));
  const std::vector<int64_t> trans_b = attributes.get_ints("trans_b");
  const std::string all = attributes.get_string("epilogue");
  std::string_view rest = all;
  for (size_t i = 0; i < trans_b.size(); ++i) {
    MlpLayer layer;
    layer.weights = facts.pieces.inputs + 2 * i;
    layer.bias = layer.weights + 1;
    layer.trans_b = trans_b[i] != 0;
    const size_t bar = rest.find('|');
    PENSTOCK_ASSIGN_OR_RETURN(layer.epilogue, parse_epilogue(rest.substr(0, bar)));
    for (const EpilogueStep& step : layer.epilogue) {
      if (step.is_binary()) {
        return Status(StatusCode::kInvalidArgument, "epilogue '" + all + "' names an operand");
      }
    }
    facts.layers.push_back(std::move(layer));
    if ((bar == std::string_view::npos) != (i + 1 == trans_b.size())) break;
    rest = bar == std::string_view::npos ? rest : rest.substr(bar + 1);
  }
  // Weights and bias of a layer; the last bias may be left out.
  const size_t needed = facts.pieces.inputs + 2 * trans_b.size();
  if (!trans_b.empty() && facts.layers.size() == trans_b.size() &&
      (inputs == needed || inputs + 1 == needed)) {
    return facts;
  }
  return Status(StatusCode::kInvalidArgument, "epilogue '" + all + "' and trans_b " +
                                                  to_string(trans_b) + " of " +
                                                  std::to_string(inputs) + " inputs");
}

const OpDefinition kMlp = {
    .name = "MLP", .min_inputs = 2, .max_inputs = -1, .infer = infer_mlp, .reference = run_mlp};

}  // namespace penstock::ops
