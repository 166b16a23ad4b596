// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "ops/indexing/indexing.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::SymbolicShape;

Status infer(InferContext& c) {
  const ir::Dim count = c.fresh_symbol();
  SymbolicShape shape = {count};
  ir::Dim inverse = ir::element_count(c.shape(0));
  if (c.attributes().has("axis")) {
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, InferContext::normalize_axis(
                                                      c.attributes().get_int("axis"), c.rank(0)));
    inverse = c.shape(0)[axis];
    shape = c.shape(0);
    shape[axis] = count;
  }
  c.set_output(0, c.dtype(0), std::move(shape));
  c.set_output(1, DataType::kInt64, {count});
  c.set_output(2, DataType::kInt64, {inverse});
  c.set_output(3, DataType::kInt64, {count});
  return Status::ok();
}

// Slices along an axis: element j of slice i is data[(j / inner * extent + i) * inner + j % inner].
template <typename T>
struct Slices {
  const T* data;
  int64_t extent;
  int64_t outer;
  int64_t inner;

  auto at(int64_t i, int64_t j) const {
    const T& element = data[(j / inner * extent + i) * inner + j % inner];
    if constexpr (std::is_same_v<T, StringRef>) {
      return element.view();
    } else {
      return static_cast<Compute<T>>(element);
    }
  }
  // Lexicographic: negative, zero or positive.
  int compare(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < outer * inner; ++j) {
      if (at(a, j) < at(b, j)) return -1;
      if (at(b, j) < at(a, j)) return 1;
    }
    return 0;
  }
};

struct Groups {
  std::vector<int64_t> first;    // of each group, in the order of the result
  std::vector<int64_t> inverse;  // group of each slice
  std::vector<int64_t> counts;
};

template <typename T>
Groups group(const Slices<T>& slices, bool sorted) {
  std::vector<int64_t> order(static_cast<size_t>(slices.extent));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return slices.compare(a, b) < 0; });
  std::vector<int64_t> leader(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const bool same = i > 0 && slices.compare(order[i - 1], order[i]) == 0;
    leader[order[i]] = same ? leader[order[i - 1]] : order[i];
  }
  Groups groups;
  if (!sorted) std::iota(order.begin(), order.end(), 0);
  std::vector<int64_t> number(order.size());
  for (int64_t i : order) {
    if (leader[i] != i) continue;
    number[i] = static_cast<int64_t>(groups.first.size());
    groups.first.push_back(i);
  }
  groups.counts.assign(groups.first.size(), 0);
  for (size_t i = 0; i < order.size(); ++i) {
    groups.inverse.push_back(number[leader[i]]);
    ++groups.counts[groups.inverse.back()];
  }
  return groups;
}

Status write_list(KernelRun& run, size_t output, const std::vector<int64_t>& values) {
  if (!run.has_output(output)) return Status::ok();
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y,
                            run.output(output, {static_cast<int64_t>(values.size())}));
  std::copy(values.begin(), values.end(), y.as<int64_t>());
  return Status::ok();
}

template <typename T>
Status write_unique(const NodeFacts& node, KernelRun& run, Shape shape, int64_t axis) {
  const int64_t outer = element_count(Shape(shape.begin(), shape.begin() + axis));
  const int64_t inner = element_count(Shape(shape.begin() + axis + 1, shape.end()));
  const Slices<T> slices = {run.input(0).as<const T>(), shape[axis], outer, inner};
  const Groups groups = group(slices, node.attributes.get_int("sorted", 1) != 0);
  const auto count = static_cast<int64_t>(groups.first.size());
  shape[axis] = count;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(slices.data + (o * slices.extent + groups.first[i]) * inner, inner,
                  y.as<T>() + (o * count + i) * inner);
    }
  }
  PENSTOCK_RETURN_IF_ERROR(write_list(run, 1, groups.first));
  PENSTOCK_RETURN_IF_ERROR(write_list(run, 2, groups.inverse));
  return write_list(run, 3, groups.counts);
}

Status reference(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  Shape shape = {x.count()};
  int64_t axis = 0;
  if (node.attributes.has("axis")) {
    shape = *x.shape;
    PENSTOCK_ASSIGN_OR_RETURN(axis,
                              InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                           static_cast<int64_t>(shape.size())));
  }
  if (x.dtype == DataType::kString) return write_unique<StringRef>(node, run, shape, axis);
  return dispatch(x.dtype, [&](auto tag) {
    return write_unique<typename decltype(tag)::type>(node, run, shape, axis);
  });
}

}  // namespace

const OpDefinition& unique_op() {
  static const OpDefinition kOp = {.name = "Unique",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .outputs = 4,
                                   .infer = infer,
                                   .reference = reference};
  return kOp;
}

}  // namespace penstock::ops
