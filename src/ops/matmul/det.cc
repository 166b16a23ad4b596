// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/matmul/operators.h"
#include "ops/real_values.h"
#include "ops/reference_util.h"

namespace penstock::ops {
namespace {

Status infer_det(InferContext& c) {
  if (!is_floating(c.dtype(0))) return c.error("takes floating types only");
  const ir::SymbolicShape& x = c.shape(0);
  const size_t rank = x.size();
  const bool clashes = rank < 2 || (x[rank - 1].is_constant() && x[rank - 2].is_constant() &&
                                    !(x[rank - 1] == x[rank - 2]));
  if (clashes) return c.error("takes square matrices, not a shape of " + ir::to_string(x));
  c.set_output(0, c.dtype(0), {x.begin(), x.end() - 2});
  return Status::ok();
}

// Gaussian elimination with row pivoting; `m` is overwritten.
double determinant(double* m, int64_t n) {
  double result = 1.0;
  for (int64_t column = 0; column < n; ++column) {
    int64_t pivot = column;
    for (int64_t row = column + 1; row < n; ++row) {
      if (std::fabs(m[row * n + column]) > std::fabs(m[pivot * n + column])) pivot = row;
    }
    if (pivot != column) {
      std::swap_ranges(m + pivot * n, m + pivot * n + n, m + column * n);
      result = -result;
    }
    const double head = m[column * n + column];
    result *= head;
    if (head == 0.0) return result;
    for (int64_t row = column + 1; row < n; ++row) {
      const double factor = m[row * n + column] / head;
      for (int64_t i = column + 1; i < n; ++i) m[row * n + i] -= factor * m[column * n + i];
    }
  }
  return result;
}

Status reference_det(const backends::NodeFacts&, backends::KernelRun& run) {
  const Shape& shape = *run.input(0).shape;
  const int64_t n = shape.back();
  if (shape[shape.size() - 2] != n) {
    return {StatusCode::kInvalidArgument,
            "Det: takes square matrices, not a shape of " + to_string(shape)};
  }
  const Shape batch(shape.begin(), shape.end() - 2);
  std::vector<double> x = read_reals(run.input(0));
  std::vector<double> y(static_cast<size_t>(element_count(batch)));
  for (size_t i = 0; i < y.size(); ++i) y[i] = determinant(x.data() + i * n * n, n);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView out, run.output(0, batch));
  return write_reals(y, out);
}

}  // namespace

const OpDefinition kDet = {.name = "Det",
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .infer = infer_det,
                           .reference = reference_det};

}  // namespace penstock::ops
