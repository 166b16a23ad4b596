// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "backends/tactic.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// What Loop and Scan share: values carried from one run of the body to the next, and results of
// all runs stacked along an axis.

// A row-major tensor that outlives the run of the body it came from.
class CarriedTensor {
 public:
  void assign(const backends::TensorView& from);
  backends::TensorView view() { return {dtype_, ir::Layout::kPlain, &shape_, bytes_.data()}; }

 private:
  DataType dtype_ = DataType::kUndefined;
  Shape shape_;
  std::vector<std::byte> bytes_;
};

// Takes results [first, first + size) of a body's run for the next one. They may be views of the
// values themselves, in another order.
void carry_on(std::vector<CarriedTensor>& values, const std::vector<backends::TensorView>& results,
              size_t first);

// Collects one tensor a run.
class StackedTensor {
 public:
  // Fails where the shape is not that of the first one.
  Status append(const backends::TensorView& element);
  // Writes them as output i: element shape with an axis of the number of runs inserted. `planned`
  // tells the shape of the elements where there were none. Negative axes count from the end.
  Status write(backends::KernelRun& run, size_t i, int64_t axis, bool reversed,
               const Shape& planned) const;

 private:
  int64_t count_ = 0;
  Shape element_;
  size_t element_bytes_ = 0;
  DataType dtype_ = DataType::kUndefined;
  std::vector<std::byte> bytes_;
};

// A slice of one index of `axis`, copied out of `from`; the result has one axis less.
void take_slice(const backends::TensorView& from, int64_t axis, int64_t index, Shape& shape,
                std::vector<std::byte>& bytes);

// The shape after the last run of a value that starts as `initial`, enters the body as `in` and
// leaves it as `out`: extents that one run of the body may change are fresh symbols.
Result<ir::SymbolicShape> carried_shape(InferContext& context, const ir::SymbolicShape& initial,
                                        const ir::SymbolicShape& in, const ir::SymbolicShape& out);
// Extents known only inside the body become fresh symbols of the outside.
ir::SymbolicShape outside_shape(InferContext& context, const ir::SymbolicShape& inside);

}  // namespace penstock::ops
