// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/normalization/normalization.h"
#include "ops/real_values.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

Status infer_softmax(InferContext& context) {
  PENSTOCK_RETURN_IF_ERROR(
      InferContext::normalize_axis(context.attributes().get_int("axis", -1), context.rank(0))
          .status());
  return infer_same_floating(context);
}

void softmax(std::vector<double>& row) {
  double most = -std::numeric_limits<double>::infinity();
  for (double value : row) most = std::max(most, value);
  double sum = 0.0;
  for (double& value : row) sum += value = std::exp(value - most);
  for (double& value : row) value /= sum;
}

void log_softmax(std::vector<double>& row) {
  double most = -std::numeric_limits<double>::infinity();
  for (double value : row) most = std::max(most, value);
  double sum = 0.0;
  for (double value : row) sum += std::exp(value - most);
  for (double& value : row) value = value - most - std::log(sum);
}

// 1 for the first largest element, else 0.
void hardmax(std::vector<double>& row) {
  const auto largest = std::max_element(row.begin(), row.end()) - row.begin();
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<int64_t>(i) == largest ? 1.0 : 0.0;
}

Status reference_softmax(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis", -1),
                                                         static_cast<int64_t>(x.shape->size())));
  std::vector<double> values = read_reals(x);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const AxisSplit split = split_at(*x.shape, axis);
  const auto apply = node.op == "Softmax" ? softmax : node.op == "Hardmax" ? hardmax : log_softmax;
  std::vector<double> row(static_cast<size_t>(split.extent));
  for (int64_t i = 0; i < split.outer * split.inner && !row.empty(); ++i) {
    double* first = &values[(i / split.inner) * split.extent * split.inner + i % split.inner];
    for (size_t j = 0; j < row.size(); ++j) row[j] = first[j * split.inner];
    apply(row);
    for (size_t j = 0; j < row.size(); ++j) first[j * split.inner] = row[j];
  }
  return write_reals(values, y);
}

constexpr OpDefinition softmax_op(std::string_view name) {
  return {.name = name,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = infer_softmax,
          .reference = reference_softmax,
          .in_place = true};
}

}  // namespace

const OpDefinition kSoftmax = softmax_op("Softmax");
const OpDefinition kLogSoftmax = softmax_op("LogSoftmax");
const OpDefinition kHardmax = softmax_op("Hardmax");

}  // namespace penstock::ops
