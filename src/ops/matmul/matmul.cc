// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#include "ops/elementwise/broadcast.h"
#include "ops/epilogue.h"
#include "ops/matmul/geometry.h"
#include "ops/matmul/operators.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;

// epilogue(alpha * a x b + bias); a [batch..., m, k] and b [batch..., k, n] as numpy.matmul takes
// them, trans_a and trans_b swap the last two axes.
Status infer_matmul(InferContext& context) {
  if (context.dtype(0) != context.dtype(1)) {
    return context.error("a is " + std::string(to_string(context.dtype(0))) + ", b is " +
                         std::string(to_string(context.dtype(1))));
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape y, product_shape(context));
  PENSTOCK_RETURN_IF_ERROR(check_epilogue(context, 3, y));
  context.set_output(0, context.dtype(0), std::move(y));
  return Status::ok();
}

// Integers are summed modulo 2^64 and keep their low bits, as their own arithmetic would.
template <typename T>
using Sum = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

template <typename T>
std::vector<Sum<T>> products(const MatMulGeometry& g, const T* a, const T* b) {
  const auto widen = [](T x) { return static_cast<Sum<T>>(static_cast<Compute<T>>(x)); };
  std::vector<Sum<T>> sums;
  sums.reserve(element_count(g.batch) * g.m * g.n);
  for_each_index(g.batch, [&](const std::vector<int64_t>& index) {
    const T* a_matrix = a + dot(index, g.a_batch_strides);
    const T* b_matrix = b + dot(index, g.b_batch_strides);
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t j = 0; j < g.n; ++j) {
        Sum<T> sum = 0;
        for (int64_t p = 0; p < g.k; ++p) {
          sum += widen(a_matrix[i * g.a_row + p * g.a_column]) *
                 widen(b_matrix[p * g.b_row + j * g.b_column]);
        }
        sums.push_back(sum);
      }
    }
  });
  return sums;
}

template <typename T>
Status finish_integers(const MatMulGeometry& g, KernelRun& run, std::vector<uint64_t>& sums) {
  if (g.alpha != 1.0f) {
    for (uint64_t& sum : sums) {
      sum = static_cast<uint64_t>(static_cast<int64_t>(g.alpha * static_cast<double>(T(sum))));
    }
  }
  if (run.has_input(2)) {
    const std::vector<int64_t> bias = read_int64s(run.input(2));
    if (!broadcasts_to(*run.input(2).shape, g.result)) {
      return {StatusCode::kInvalidArgument, "a bias of shape " + to_string(*run.input(2).shape) +
                                                " does not broadcast to " + to_string(g.result)};
    }
    const std::vector<int64_t> strides = broadcast_strides(*run.input(2).shape, g.result);
    size_t at = 0;
    for_each_index(g.result, [&](const std::vector<int64_t>& index) {
      sums[at++] += static_cast<uint64_t>(bias[dot(index, strides)]);
    });
  }
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, g.result));
  for (size_t i = 0; i < sums.size(); ++i) y.as<T>()[i] = static_cast<T>(sums[i]);
  return Status::ok();
}

Status finish_floats(const NodeFacts& node, const MatMulGeometry& g, KernelRun& run,
                     std::vector<double>& sums) {
  for (double& sum : sums) sum *= g.alpha;
  if (run.has_input(2)) {
    PENSTOCK_RETURN_IF_ERROR(add_broadcast(run.input(2), g.result, sums));
  }
  PENSTOCK_RETURN_IF_ERROR(apply_epilogue(node, run, g.result, sums));
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, g.result));
  return write_doubles(sums, y);
}

Status run_matmul(const NodeFacts& node, KernelRun& run) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const MatMulGeometry geometry,
      matmul_geometry(node.attributes, *run.input(0).shape, *run.input(1).shape));
  return dispatch(run.input(0).dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    auto sums = products(geometry, run.input(0).as<const T>(), run.input(1).as<const T>());
    if constexpr (std::is_integral_v<T>) {
      return finish_integers<T>(geometry, run, sums);
    } else {
      return finish_floats(node, geometry, run, sums);
    }
  });
}

}  // namespace

const OpDefinition kMatMul = {.name = "MatMul",
                              .min_inputs = 2,
                              .max_inputs = -1,
                              .infer = infer_matmul,
                              .reference = run_matmul};

}  // namespace penstock::ops
