// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "backends/memory_limit.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// What Loop and Scan share: values carried from one run of the body to the next, and results of
// all runs stacked along an axis.

// Memory that a kernel took within the run's limit; given back with its end.
class HeldMemory {
 public:
  explicit HeldMemory(backends::KernelRun& run) : run_(&run) {}
  HeldMemory(HeldMemory&& other) noexcept
      : run_(other.run_), bytes_(std::exchange(other.bytes_, 0)) {}
  HeldMemory& operator=(HeldMemory&& other) noexcept {
    std::swap(run_, other.run_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldMemory() { (void)backends::hold_memory(*run_, -bytes_); }

  // To this many bytes, more or fewer than before.
  Status resize(size_t bytes);

 private:
  backends::KernelRun* run_;
  int64_t bytes_ = 0;
};

// A row-major tensor that outlives the run of the body it came from.
class CarriedTensor {
 public:
  explicit CarriedTensor(backends::KernelRun& run) : memory_(run) {}
  Status assign(const backends::TensorView& from);
  backends::TensorView view() { return {dtype_, ir::Layout::kPlain, &shape_, bytes_.data()}; }

 private:
  HeldMemory memory_;
  DataType dtype_ = DataType::kUndefined;
  Shape shape_;
  std::vector<std::byte> bytes_;
};

// Makes results `first` and on of a run of the body the carried values, and frees what they were. A
// result may be an argument that the body passed on: nothing else may be read from `results` after.
Status carry(backends::KernelRun& run, const std::vector<backends::TensorView>& results,
             size_t first, std::vector<CarriedTensor>& values);

// Inputs `first` to `last` as carried values.
Result<std::vector<CarriedTensor>> carried_inputs(backends::KernelRun& run, size_t first,
                                                  size_t last);

// Collects one tensor a run.
class StackedTensor {
 public:
  explicit StackedTensor(backends::KernelRun& run) : memory_(run) {}
  // Fails where the shape is not that of the first one.
  Status append(const backends::TensorView& element);
  // Writes them as output i: element shape with an axis of the number of runs inserted. `planned`
  // tells the shape of the elements where there were none. Negative axes count from the end.
  Status write(backends::KernelRun& run, size_t i, int64_t axis, bool reversed,
               const Shape& planned) const;

 private:
  Status make_room();

  HeldMemory memory_;
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
