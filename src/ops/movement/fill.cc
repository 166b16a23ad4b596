// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "base/wrapping.h"
#include "ops/movement/movement.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using ir::Dim;
using ir::SymbolicShape;

DataType dtype_of(const ir::Attributes& attributes, DataType otherwise) {
  return static_cast<DataType>(attributes.get_int("dtype", static_cast<int64_t>(otherwise)));
}

// The attribute "value", a float or an integer, as an element.
template <typename T>
T filling(const ir::Attributes& attributes) {
  auto it = attributes.all().find("value");
  if (it == attributes.all().end()) return T();
  if (const auto* integer = std::get_if<int64_t>(&it->second)) {
    return static_cast<T>(static_cast<Compute<T>>(*integer));
  }
  return static_cast<T>(static_cast<Compute<T>>(attributes.get_float("value")));
}

Status infer_constant_of_shape(InferContext& c) {
  const DataType dtype = dtype_of(c.attributes(), DataType::kFloat32);
  std::optional<std::vector<Dim>> shape = c.dims_parameter("shape", 0);
  if (!shape) {
    if (!c.has_input(0)) return c.error("no shape given");
    if (c.rank(0) != 1 || !c.shape(0)[0].is_constant()) {
      return c.error("the rank of the result is not known; the shape's length must be fixed");
    }
    c.set_output(0, dtype, fresh_shape(c, c.shape(0)[0].constant()));
    return Status::ok();
  }
  for (const Dim& extent : *shape) {
    if (extent.is_constant() && extent.constant() < 0) {
      return c.error("negative extent in " + ir::to_string(*shape));
    }
  }
  if (carries_contents(*shape) && (is_integer(dtype) || dtype == DataType::kBool)) {
    const auto count = static_cast<size_t>(ir::element_count(*shape).constant());
    c.set_contents(0, std::vector<Dim>(count, Dim(filling<int64_t>(c.attributes()))));
  }
  c.set_output(0, dtype, std::move(*shape));
  return Status::ok();
}

Status run_constant_of_shape(const NodeFacts& node, KernelRun& run) {
  const Shape shape = ints_parameter(node, run, "shape", 0);
  if (std::any_of(shape.begin(), shape.end(), [](int64_t extent) { return extent < 0; })) {
    return {StatusCode::kInvalidArgument, "negative extent in " + to_string(shape)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape));
  return dispatch(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::fill_n(y.as<T>(), y.count(), filling<T>(node.attributes));
    return Status::ok();
  });
}

// A scalar input's value where it is an integer extent.
std::optional<Dim> scalar_of(const InferContext& c, size_t i) {
  const std::vector<Dim>* contents = c.contents(i);
  if (contents == nullptr || contents->size() != 1) return std::nullopt;
  return contents->front();
}

// No memory has more.
constexpr double kMostLength = 0x1p40;

int64_t range_length(double start, double limit, double delta) {
  const double length = std::ceil((limit - start) / delta);
  return std::isnan(length) ? 0 : static_cast<int64_t>(std::clamp(length, 0.0, kMostLength));
}

// Elements that a Range of floating constants has; nothing where one is not constant.
std::optional<int64_t> floating_count(const InferContext& c) {
  double values[3];
  for (size_t i = 0; i < 3; ++i) {
    const ir::Constant* constant = c.constant(i);
    if (constant == nullptr || constant->bytes == 0) return std::nullopt;
    values[i] = constant->dtype == DataType::kFloat64
                    ? constant->as<double>().front()
                    : static_cast<double>(ir::to_floats(*constant).at(0));
  }
  return range_length(values[0], values[1], values[2]);
}

Status infer_range(InferContext& c) {
  const auto start = scalar_of(c, 0);
  const auto limit = scalar_of(c, 1);
  const auto delta = scalar_of(c, 2);
  if (c.dtype(1) != c.dtype(0) || c.dtype(2) != c.dtype(0)) {
    return c.error("start, limit and delta differ in type");
  }
  Dim count;
  if (delta && delta->is_constant(0)) return c.error("a delta of 0");
  if (start && limit && delta && delta->is_constant()) {
    // Turned around where it counts down: lengths round up from the start.
    const bool up = delta->constant() > 0;
    const Dim distance = up ? *limit - *start : *start - *limit;
    const Dim step = up ? *delta : Dim(0) - *delta;
    count = Dim::ceil_div(Dim::max(distance, Dim(0)), step);
    if (count.is_constant() && count.constant() <= 4096) {
      std::vector<Dim> contents;
      for (int64_t i = 0; i < count.constant(); ++i) contents.push_back(*start + *delta * Dim(i));
      c.set_contents(0, std::move(contents));
    }
  } else {
    const auto known = is_floating(c.dtype(0)) ? floating_count(c) : std::nullopt;
    count = known ? Dim(*known) : c.fresh_symbol();
  }
  c.set_output(0, c.dtype(0), {count});
  return Status::ok();
}

Status run_range(const NodeFacts&, KernelRun& run) {
  for (size_t i = 0; i < 3; ++i) {
    if (run.input(i).count() != 1) {
      return {StatusCode::kInvalidArgument, "start, limit and delta must be one number each"};
    }
  }
  return dispatch(run.input(0).dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const C start = static_cast<C>(*run.input(0).as<const T>());
    const C limit = static_cast<C>(*run.input(1).as<const T>());
    const C delta = static_cast<C>(*run.input(2).as<const T>());
    if (delta == C(0)) return Status(StatusCode::kInvalidArgument, "a delta of 0");
    const int64_t count = range_length(static_cast<double>(start), static_cast<double>(limit),
                                       static_cast<double>(delta));
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, {count}));
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_integral_v<C>) {
        y.as<T>()[i] = static_cast<T>(wrapping_add(
            static_cast<int64_t>(start), wrapping_multiply(i, static_cast<int64_t>(delta))));
      } else {
        y.as<T>()[i] = static_cast<T>(static_cast<C>(start + static_cast<C>(i) * delta));
      }
    }
    return Status::ok();
  });
}

Status infer_eye_like(InferContext& c) {
  if (c.rank(0) != 2) return c.error("takes a matrix, not " + ir::to_string(c.shape(0)));
  c.set_output(0, dtype_of(c.attributes(), c.dtype(0)), c.shape(0));
  return Status::ok();
}

Status run_eye_like(const NodeFacts& node, KernelRun& run) {
  const Shape& x = *run.input(0).shape;
  const int64_t k = node.attributes.get_int("k");
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, x));
  return dispatch(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < x[0] * x[1]; ++i) {
      const bool on = i % x[1] - i / x[1] == k;
      y.as<T>()[i] = static_cast<T>(static_cast<Compute<T>>(on ? 1 : 0));
    }
    return Status::ok();
  });
}

}  // namespace

const OpDefinition& constant_of_shape_op() {
  static const OpDefinition kOp = {.name = "ConstantOfShape",
                                   .min_inputs = 0,
                                   .max_inputs = 1,
                                   .infer = infer_constant_of_shape,
                                   .reference = run_constant_of_shape,
                                   .parameters = {{0, "shape"}}};
  return kOp;
}

const OpDefinition& range_op() {
  static const OpDefinition kOp = {.name = "Range",
                                   .min_inputs = 3,
                                   .max_inputs = 3,
                                   .infer = infer_range,
                                   .reference = run_range};
  return kOp;
}

const OpDefinition& eye_like_op() {
  static const OpDefinition kOp = {.name = "EyeLike",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_eye_like,
                                   .reference = run_eye_like};
  return kOp;
}

}  // namespace penstock::ops
