// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

#include <algorithm>

#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Shape RecurrentShape::y() const {
  return batch_first ? Shape{batch, steps, directions, hidden}
                     : Shape{steps, directions, batch, hidden};
}

Shape RecurrentShape::state() const {
  return batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
}

int64_t RecurrentShape::x_offset(int64_t step, int64_t item) const {
  return (batch_first ? item * steps + step : step * batch + item) * input_size;
}

int64_t RecurrentShape::y_offset(int64_t step, int64_t direction, int64_t item) const {
  const int64_t row = batch_first ? (item * steps + step) * directions + direction
                                  : (step * directions + direction) * batch + item;
  return row * hidden;
}

int64_t RecurrentShape::state_offset(int64_t direction, int64_t item) const {
  return (batch_first ? item * directions + direction : direction * batch + item) * hidden;
}

Result<RecurrentShape> recurrent_shape(const ir::Attributes& attributes, const Shape& x,
                                       const Shape& w, const Shape& r, int64_t gates) {
  const std::string direction = attributes.get_string("direction", "forward");
  RecurrentShape shape;
  shape.batch_first = attributes.get_int("layout") != 0;
  shape.directions = direction == "bidirectional" ? 2 : 1;
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) {
    return Status(StatusCode::kInvalidModel, "X, W and R must have three dimensions");
  }
  shape.steps = x[shape.batch_first ? 1 : 0];
  shape.batch = x[shape.batch_first ? 0 : 1];
  shape.input_size = x[2];
  shape.hidden = r[2];
  const Shape want_w = {shape.directions, gates * shape.hidden, shape.input_size};
  const Shape want_r = {shape.directions, gates * shape.hidden, shape.hidden};
  if (w != want_w || r != want_r) {
    return Status(StatusCode::kInvalidModel, "direction '" + direction + "': W has shape " +
                                                 to_string(w) + ", R " + to_string(r) +
                                                 "; must be " + to_string(want_w) + " and " +
                                                 to_string(want_r));
  }
  return shape;
}

Status check_optional_inputs(const std::vector<const Shape*>& inputs, const RecurrentShape& shape,
                             int64_t gates) {
  const int64_t states = shape.directions * shape.batch * shape.hidden;
  const int64_t wanted[] = {shape.directions * 2 * gates * shape.hidden, shape.batch, states,
                            states, shape.directions * 3 * shape.hidden};
  constexpr size_t kFirst = 3;
  for (size_t i = kFirst; i < inputs.size() && i < kFirst + std::size(wanted); ++i) {
    if (inputs[i] != nullptr && element_count(*inputs[i]) != wanted[i - kFirst]) {
      return {StatusCode::kInvalidArgument, "input " + std::to_string(i) + " has shape " +
                                                to_string(*inputs[i]) + ", must have " +
                                                std::to_string(wanted[i - kFirst]) + " elements"};
    }
  }
  return Status::ok();
}

bool runs_backwards(const ir::Attributes& attributes, int64_t direction) {
  return direction == 1 || attributes.get_string("direction", "forward") == "reverse";
}

double CellWeights::clipped(double value) const {
  return clip > 0.0 ? std::clamp(value, -clip, clip) : value;
}

double CellWeights::input_sum(int64_t row, const double* x) const {
  double sum = b[row];
  for (int64_t i = 0; i < input_size; ++i) sum += w[row * input_size + i] * x[i];
  return sum;
}

double CellWeights::hidden_sum(int64_t row, const double* h) const {
  double sum = b[b.size() / 2 + row];
  for (int64_t i = 0; i < hidden; ++i) sum += r[row * hidden + i] * h[i];
  return sum;
}

Status infer_recurrent(InferContext& context, int64_t gates, bool has_cell_state) {
  if (context.rank(0) != 3 || context.rank(1) != 3 || context.rank(2) != 3) {
    return context.error("X, W and R must have three dimensions");
  }
  const std::string direction = context.attributes().get_string("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return context.error("no direction '" + direction + "'");
  }
  if (!is_floating(context.dtype(0))) return context.error("takes floating-point elements");
  const ir::Dim directions = direction == "bidirectional" ? 2 : 1;
  const ir::Dim hidden = context.shape(2)[2];
  const ir::Dim rows = context.shape(1)[1];
  if (hidden.is_constant() && rows.is_constant() && !(rows == hidden * ir::Dim(gates))) {
    return context.error("W has " + rows.to_string() + " rows, must have " + std::to_string(gates) +
                         " for each of " + hidden.to_string() + " hidden units");
  }
  const bool batch_first = context.attributes().get_int("layout") != 0;
  const ir::Dim steps = context.shape(0)[batch_first ? 1 : 0];
  const ir::Dim batch = context.shape(0)[batch_first ? 0 : 1];
  ir::SymbolicShape y = {steps, directions, batch, hidden};
  ir::SymbolicShape state = {directions, batch, hidden};
  if (batch_first) {
    y = {batch, steps, directions, hidden};
    state = {batch, directions, hidden};
  }
  context.set_output(0, context.dtype(0), y);
  context.set_output(1, context.dtype(0), state);
  if (has_cell_state) context.set_output(2, context.dtype(0), state);
  return Status::ok();
}

namespace {

// The part of `values` that belongs to a direction; zeros where the input is absent.
std::vector<double> share(const std::vector<double>& values, int64_t direction, int64_t size) {
  if (values.empty()) return std::vector<double>(size, 0.0);
  const auto first = values.begin() + direction * size;
  return {first, first + size};
}

struct Tensors {
  std::vector<double> x, w, r, b, h0, c0, p;
  std::vector<int64_t> lengths;
};

std::vector<double> read_optional(const KernelRun& run, size_t i) {
  return run.has_input(i) ? read_reals(run.input(i)) : std::vector<double>();
}

Tensors read_tensors(const KernelRun& run, const RecurrentShape& shape) {
  Tensors t{
      read_optional(run, 0), read_optional(run, 1), read_optional(run, 2), read_optional(run, 3),
      read_optional(run, 5), read_optional(run, 6), read_optional(run, 7), {}};
  if (run.has_input(4)) t.lengths = read_int64s(run.input(4));
  if (t.lengths.empty()) t.lengths.assign(shape.batch, shape.steps);
  for (int64_t& length : t.lengths) length = std::clamp<int64_t>(length, 0, shape.steps);
  return t;
}

CellWeights weights_of(const NodeFacts& node, const Tensors& t, const RecurrentShape& shape,
                       int64_t gates, int64_t direction) {
  CellWeights weights;
  weights.input_size = shape.input_size;
  weights.hidden = shape.hidden;
  const int64_t rows = gates * shape.hidden;
  weights.w = share(t.w, direction, rows * shape.input_size);
  weights.r = share(t.r, direction, rows * shape.hidden);
  weights.b = share(t.b, direction, 2 * rows);
  weights.p = share(t.p, direction, 3 * shape.hidden);
  weights.clip = node.attributes.get_float("clip", 0.0f);
  return weights;
}

Status write_optional(KernelRun& run, size_t i, const Shape& shape,
                      const std::vector<double>& values) {
  if (!run.has_output(i)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView view, run.output(i, shape));
  return write_reals(values, view);
}

}  // namespace

Status run_recurrent(const NodeFacts& node, KernelRun& run, int64_t gates,
                     const std::vector<std::string>& default_activations, MakeCell make_cell) {
  PENSTOCK_ASSIGN_OR_RETURN(const RecurrentShape shape,
                            recurrent_shape(node.attributes, *run.input(0).shape,
                                            *run.input(1).shape, *run.input(2).shape, gates));
  std::vector<const Shape*> shapes(run.input_count(), nullptr);
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (run.has_input(i)) shapes[i] = run.input(i).shape;
  }
  PENSTOCK_RETURN_IF_ERROR(check_optional_inputs(shapes, shape, gates).with_context(node.op));
  const Tensors t = read_tensors(run, shape);
  const int64_t state_size = shape.directions * shape.batch * shape.hidden;
  std::vector<double> y(shape.steps * state_size, 0.0);
  std::vector<double> y_h = t.h0.empty() ? std::vector<double>(state_size, 0.0) : t.h0;
  std::vector<double> y_c = t.c0.empty() ? std::vector<double>(state_size, 0.0) : t.c0;
  for (int64_t d = 0; d < shape.directions; ++d) {
    CellWeights weights = weights_of(node, t, shape, gates, d);
    PENSTOCK_ASSIGN_OR_RETURN(weights.activations,
                              activations_of(node.attributes, d, default_activations));
    const std::unique_ptr<Cell> cell = make_cell(node.attributes, std::move(weights));
    const bool backwards = runs_backwards(node.attributes, d);
    for (int64_t n = 0; n < shape.batch; ++n) {
      double* h = y_h.data() + shape.state_offset(d, n);
      double* c = y_c.data() + shape.state_offset(d, n);
      // Steps past a sequence's length leave zeros in Y and the states alone.
      for (int64_t i = 0; i < t.lengths[n]; ++i) {
        const int64_t step = backwards ? t.lengths[n] - 1 - i : i;
        cell->step(t.x.data() + shape.x_offset(step, n), h, c);
        std::copy(h, h + shape.hidden, y.data() + shape.y_offset(step, d, n));
      }
    }
  }
  PENSTOCK_RETURN_IF_ERROR(write_optional(run, 0, shape.y(), y));
  PENSTOCK_RETURN_IF_ERROR(write_optional(run, 1, shape.state(), y_h));
  return write_optional(run, 2, shape.state(), y_c);
}

}  // namespace penstock::ops
