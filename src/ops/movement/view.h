// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/op_definition.h"
#include "ops/reference_util.h"
#include "ops/rule_util.h"

namespace penstock::ops {

// A tensor seen in another order: element `index` of `shape` is element offset + index . strides of
// the row-major source. Transpose, Slice, Split, Expand, DepthToSpace, ... are views made real.
struct View {
  Shape shape;
  int64_t offset = 0;
  std::vector<int64_t> strides;
};

// Writes the view row-major. T is what an element is: bytes in kernels, an extent in rules.
template <typename T>
void copy_view(const T* x, const View& view, T* y) {
  for_each_index(view.shape, [&](const std::vector<int64_t>& index) {
    *y++ = x[view.offset + dot(index, view.strides)];
  });
}

// Contents of output `output` as a view of those of input `input`, where they are known and the
// view is small.
inline void view_contents(InferContext& c, size_t input, size_t output, const View& view) {
  const std::vector<ir::Dim>* from = c.contents(input);
  if (from == nullptr ||
      !carries_contents(ir::SymbolicShape(view.shape.begin(), view.shape.end()))) {
    return;
  }
  std::vector<ir::Dim> to(static_cast<size_t>(element_count(view.shape)));
  copy_view(from->data(), view, to.data());
  c.set_contents(output, std::move(to));
}

// Reference kernel of a view: asks for output `output` in the view's shape (or `shape`, the same
// elements) and fills it from input 0.
inline Status run_view(backends::KernelRun& run, size_t output, const View& view,
                       const Shape& shape) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(output, shape));
  return dispatch_size(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    copy_view(x.as<const T>(), view, y.as<T>());
    return Status::ok();
  });
}

inline Status run_view(backends::KernelRun& run, size_t output, const View& view) {
  return run_view(run, output, view, view.shape);
}

}  // namespace penstock::ops
