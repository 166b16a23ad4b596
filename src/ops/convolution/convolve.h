// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

// For reference kernels: the convolution of x [N, C, spatial...] and w [M, C / group, kernel...],
// row-major, under a Conv's attributes, summed in float64. Places outside x count as 0.
struct Convolved {
  Shape shape;  // [N, M, spatial...]
  std::vector<double> values;
};
Result<Convolved> convolve(const ir::Attributes& attributes, const Shape& x_shape,
                           std::span<const double> x, const Shape& w_shape,
                           std::span<const double> w);

}  // namespace penstock::ops
