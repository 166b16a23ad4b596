// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/random/random.h"

#include <algorithm>
#include <cmath>

#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

DataType dtype_of(const ir::Attributes& attributes) {
  return static_cast<DataType>(
      attributes.get_int("dtype", static_cast<int64_t>(DataType::kFloat32)));
}

// A tensor of the given shape, an attribute or input 0, and of the floating type `dtype`.
Status infer_random(InferContext& context) {
  const DataType dtype = dtype_of(context.attributes());
  if (!is_floating(dtype)) {
    return context.error("draws floating numbers, not " + std::string(to_string(dtype)));
  }
  const std::optional<std::vector<ir::Dim>> shape = context.dims_parameter("shape", 0);
  if (!shape) {
    if (!context.has_input(0)) return context.error("no shape given");
    if (context.rank(0) != 1 || !context.shape(0)[0].is_constant()) {
      return context.error("the rank of the result is not known; the shape's length must be fixed");
    }
    context.set_output(0, dtype, fresh_shape(context, context.shape(0)[0].constant()));
    return Status::ok();
  }
  for (const ir::Dim& extent : *shape) {
    if (extent.is_constant() && extent.constant() < 0) {
      return context.error("negative extent in " + ir::to_string(*shape));
    }
  }
  context.set_output(0, dtype, *shape);
  return Status::ok();
}

// Elements a + b * draw(state). The draw is rounded to the type first, as in NumPy.
template <typename Draw>
Status fill(const NodeFacts& node, KernelRun& run, float a, float b, Draw&& draw) {
  const Shape shape = ints_parameter(node, run, "shape", 0);
  if (std::any_of(shape.begin(), shape.end(), [](int64_t extent) { return extent < 0; })) {
    return {StatusCode::kInvalidArgument, "negative extent in " + to_string(shape)};
  }
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  RandomState state(node.attributes);
  const int64_t n = y.count();
  return dispatch(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<Compute<T>>) {
      using C = Compute<T>;
      for (int64_t i = 0; i < n; ++i) {
        const C number = static_cast<C>(draw(state));
        y.as<T>()[i] = static_cast<T>(static_cast<C>(a) + static_cast<C>(b) * number);
      }
    }
    return Status::ok();
  });
}

Status run_uniform(const NodeFacts& node, KernelRun& run) {
  const float low = node.attributes.get_float("low", 0.0f);
  const float high = node.attributes.get_float("high", 1.0f);
  return fill(node, run, low, high - low, [](RandomState& state) { return state.uniform(); });
}

Status run_normal(const NodeFacts& node, KernelRun& run) {
  return fill(node, run, node.attributes.get_float("mean", 0.0f),
              node.attributes.get_float("scale", 1.0f),
              [](RandomState& state) { return state.normal(); });
}

// x [batch, classes], unnormalized log-probabilities -> [batch, sample_size] classes drawn.
Status infer_multinomial(InferContext& context) {
  const auto dtype = static_cast<DataType>(
      context.attributes().get_int("dtype", static_cast<int64_t>(DataType::kInt32)));
  const int64_t samples = context.attributes().get_int("sample_size", 1);
  if (!is_floating(context.dtype(0)) || context.rank(0) != 2) {
    return context.error("takes a floating matrix, not " +
                         std::string(to_string(context.dtype(0))) + " of shape " +
                         ir::to_string(context.shape(0)));
  }
  if (dtype != DataType::kInt32 && dtype != DataType::kInt64) {
    return context.error("gives int32 or int64, not " + std::string(to_string(dtype)));
  }
  if (samples < 1) return context.error("sample_size is " + std::to_string(samples));
  context.set_output(0, dtype, {context.shape(0)[0], samples});
  return Status::ok();
}

// Sums of exp(x) up to each class, relative to the largest so that nothing overflows.
std::vector<double> cumulative(const std::vector<double>& row) {
  const double largest = *std::max_element(row.begin(), row.end());
  std::vector<double> sums;
  double sum = 0;
  for (double x : row) sums.push_back(sum += std::exp(x - largest));
  return sums;
}

Status run_multinomial(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const int64_t rows = (*x.shape)[0];
  const int64_t classes = (*x.shape)[1];
  const int64_t samples = node.attributes.get_int("sample_size", 1);
  if (classes == 0) return {StatusCode::kInvalidArgument, "there are no classes to draw from"};
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, {rows, samples}));
  RandomState state(node.attributes);
  return dispatch(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<double> row(static_cast<size_t>(classes));
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < classes; ++c) {
        row[static_cast<size_t>(c)] =
            static_cast<double>(static_cast<Compute<T>>(x.as<const T>()[r * classes + c]));
      }
      const std::vector<double> sums = cumulative(row);
      for (int64_t s = r * samples; s < (r + 1) * samples; ++s) {
        const double mark = state.uniform() * sums.back();
        const auto found = std::upper_bound(sums.begin(), sums.end() - 1, mark) - sums.begin();
        if (y.dtype == DataType::kInt64) {
          y.as<int64_t>()[s] = found;
        } else {
          y.as<int32_t>()[s] = static_cast<int32_t>(found);
        }
      }
    }
    return Status::ok();
  });
}

uint32_t seed_of(const ir::Attributes& attributes) {
  if (attributes.has("seed")) return static_cast<uint32_t>(attributes.get_int("seed"));
  return std::random_device()();
}

}  // namespace

RandomState::RandomState(const ir::Attributes& attributes) : generator_(seed_of(attributes)) {}

double RandomState::uniform() {
  const auto high = static_cast<double>(generator_() >> 5);  // 27 bits
  const auto low = static_cast<double>(generator_() >> 6);   // 26 bits
  return (high * 0x1p26 + low) * 0x1p-53;
}

double RandomState::normal() {
  if (second_normal_) {
    const double number = *second_normal_;
    second_normal_.reset();
    return number;
  }
  double x = 0;
  double y = 0;
  double square = 0;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  const double factor = std::sqrt(-2 * std::log(square) / square);
  second_normal_ = factor * x;
  return factor * y;
}

const OpDefinition kRandomUniform = {.name = "RandomUniform",
                                     .min_inputs = 0,
                                     .max_inputs = 1,
                                     .infer = infer_random,
                                     .reference = run_uniform,
                                     .is_stateful = true,
                                     .parameters = {{0, "shape"}}};

const OpDefinition kRandomNormal = {.name = "RandomNormal",
                                    .min_inputs = 0,
                                    .max_inputs = 1,
                                    .infer = infer_random,
                                    .reference = run_normal,
                                    .is_stateful = true,
                                    .parameters = {{0, "shape"}}};

const OpDefinition kMultinomial = {.name = "Multinomial",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_multinomial,
                                   .reference = run_multinomial,
                                   .is_stateful = true};

}  // namespace penstock::ops
