// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <atomic>

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

constexpr int64_t kTaskElements = 4096;  // what is worth a thread's start

// Lines along the last axis of the indices: one division per line and axis, none per element.
class GatherElementsKernel : public Kernel {
 public:
  GatherElementsKernel(const NodeFacts& node, int64_t axis)
      : data_(node.inputs[0].shape), shape_(node.inputs[1].shape), axis_(axis) {
    strides_ = strides_of(data_);
    size_ = size_of(node.inputs[0].dtype);
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_));
    const bool narrow = run.input(1).dtype == DataType::kInt32;
    return dispatch_size(y.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      return narrow ? gather<T, int32_t>(run, y) : gather<T, int64_t>(run, y);
    });
  }

 private:
  template <typename T, typename Index>
  Status gather(KernelRun& run, const TensorView& y) const {
    const int64_t total = element_count(shape_);
    if (total == 0) return Status::ok();
    const int64_t length = shape_.back();
    const bool along = axis_ == static_cast<int64_t>(shape_.size()) - 1;
    const int64_t extent = data_[axis_];
    const int64_t stride = strides_[axis_];
    const T* data = run.input(0).as<const T>();
    const Index* indices = run.input(1).as<const Index>();
    std::atomic<int64_t> wrong{-1};  // place of an index that is outside
    const int64_t grain = std::max<int64_t>(1, kTaskElements / length);
    backends::team_of(run.stream())
        .parallel_for(total / length, grain, [&](int64_t begin, int64_t end) {
          for (int64_t line = begin; line < end; ++line) {
            const T* from = data + line_offset(line);
            for (int64_t i = line * length; i < (line + 1) * length; ++i) {
              int64_t index = indices[i];
              if (index < -extent || index >= extent) {
                wrong = i;
                return;
              }
              if (index < 0) index += extent;
              y.as<T>()[i] = from[index * stride + (along ? 0 : i - line * length)];
            }
          }
        });
    return wrong < 0 ? Status::ok() : index_out_of_range(indices[wrong], extent);
  }

  // Where a line's elements are in data, but for the indexed axis.
  int64_t line_offset(int64_t line) const {
    int64_t offset = 0;
    for (int64_t d = static_cast<int64_t>(shape_.size()) - 2; d >= 0; --d) {
      if (d != axis_) offset += line % shape_[d] * strides_[d];
      line /= shape_[d];
    }
    return offset;
  }

  Shape data_;
  Shape shape_;
  std::vector<int64_t> strides_;
  int64_t axis_;
  size_t size_ = 0;
};

class GatherElementsTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.gather_elements"; }
  Offer offer(const NodeFacts& node) const override {
    const Shape& data = node.inputs[0].shape;
    const Shape& indices = node.inputs[1].shape;
    if (data.empty()) return Offer::refuse("a scalar has no axis");
    const Result<int64_t> axis = axis_of(node);
    for (size_t d = 0; d < data.size() && axis.is_ok(); ++d) {
      if (static_cast<int64_t>(d) != *axis && indices[d] > data[d]) {
        return Offer::refuse("indices reach beyond the data");
      }
    }
    return axis.is_ok() ? Offer::plain(node) : Offer::refuse(axis.status().message());
  }
  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis, axis_of(node));
    return std::unique_ptr<Kernel>(std::make_unique<GatherElementsKernel>(node, axis));
  }

 private:
  static Result<int64_t> axis_of(const NodeFacts& node) {
    return InferContext::normalize_axis(node.attributes.get_int("axis"),
                                        static_cast<int64_t>(node.inputs[0].shape.size()));
  }
};

}  // namespace

const backends::Tactic& simd_gather_elements() {
  static const GatherElementsTactic kTactic;
  return kTactic;
}

}  // namespace penstock::ops
