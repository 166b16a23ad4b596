// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "backends/cpu/cpu_stream.h"
#include "ops/indexing/indexing.h"
#include "ops/indexing/tactics.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

constexpr int64_t kTaskBytes = 32 * 1024;  // what is worth a thread's start

// Rows of `bytes`, a size the compiler knows where it is small.
template <typename Index, typename Copy>
void copy_rows(const std::byte* table, const Index* indices, int64_t extent, std::byte* y,
               int64_t count, int64_t bytes, Copy&& copy) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = indices[i];
    copy(y + i * bytes, table + (index < 0 ? index + extent : index) * bytes);
  }
}

template <typename Index>
void gather_rows(const std::byte* table, const Index* indices, int64_t extent, std::byte* y,
                 int64_t count, int64_t bytes) {
  const auto fixed = [&](auto size) {
    copy_rows(
        table, indices, extent, y, count, size.value,
        [](std::byte* to, const std::byte* from) { std::memcpy(to, from, decltype(size)::value); });
  };
  switch (bytes) {
    case 1: return fixed(std::integral_constant<int64_t, 1>());
    case 2: return fixed(std::integral_constant<int64_t, 2>());
    case 4: return fixed(std::integral_constant<int64_t, 4>());
    case 8: return fixed(std::integral_constant<int64_t, 8>());
    case 16: return fixed(std::integral_constant<int64_t, 16>());
    default:
      copy_rows(table, indices, extent, y, count, bytes,
                [bytes](std::byte* to, const std::byte* from) {
                  std::memcpy(to, from, static_cast<size_t>(bytes));
                });
  }
}

template <typename Index>
Status check(const Index* indices, int64_t count, int64_t extent) {
  bool inside = true;
  for (int64_t i = 0; i < count; ++i) inside &= indices[i] >= -extent && indices[i] < extent;
  if (inside) return Status::ok();
  const Index* first = std::find_if(indices, indices + count, [extent](int64_t index) {
    return index < -extent || index >= extent;
  });
  return index_out_of_range(*first, extent);
}

// Slices of data at indices: rows of `row_bytes`, `outer` times over.
class GatherKernel : public Kernel {
 public:
  GatherKernel(const NodeFacts& node, int64_t axis) {
    const Shape& data = node.inputs[0].shape;
    const Shape& indices = node.inputs[1].shape;
    outer_ = element_count(Shape(data.begin(), data.begin() + axis));
    extent_ = data[axis];
    count_ = element_count(indices);
    row_bytes_ = element_count(Shape(data.begin() + axis + 1, data.end())) *
                 static_cast<int64_t>(size_of(node.inputs[0].dtype));
    shape_ = gathered_shape(data, indices, axis);
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    return run.input(1).dtype == DataType::kInt32 ? gather<int32_t>(run, y)
                                                  : gather<int64_t>(run, y);
  }

 private:
  template <typename Index>
  Status gather(KernelRun& run, const TensorView& y) const {
    const Index* indices = run.input(1).as<const Index>();
    PENSTOCK_RETURN_IF_ERROR(check(indices, count_, extent_));
    if (row_bytes_ == 0) return Status::ok();
    const std::byte* table = run.input(0).as<const std::byte>();
    const int64_t grain = std::max<int64_t>(1, kTaskBytes / row_bytes_);
    backends::team_of(run.stream())
        .parallel_for(outer_ * count_, grain, [&](int64_t begin, int64_t end) {
          while (begin < end) {
            const int64_t o = begin / count_;
            const int64_t first = begin % count_;
            const int64_t rows = std::min(end - begin, count_ - first);
            gather_rows(table + o * extent_ * row_bytes_, indices + first, extent_,
                        y.as<std::byte>() + begin * row_bytes_, rows, row_bytes_);
            begin += rows;
          }
        });
    return Status::ok();
  }

  int64_t outer_ = 1;
  int64_t extent_ = 1;
  int64_t count_ = 1;
  int64_t row_bytes_ = 0;
  Shape shape_;
};

class GatherTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.gather"; }
  Offer offer(const NodeFacts& node) const override {
    if (size_of(node.inputs[0].dtype) == 0) return Offer::refuse("elements have no fixed size");
    return Offer::plain(node);
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(
        const int64_t axis,
        InferContext::normalize_axis(node.attributes.get_int("axis"),
                                     static_cast<int64_t>(node.inputs[0].shape.size())));
    return std::unique_ptr<Kernel>(std::make_unique<GatherKernel>(node, axis));
  }
};

}  // namespace

const backends::Tactic& simd_gather() {
  static const GatherTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
