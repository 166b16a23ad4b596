// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/control/iteration.h"

#include <algorithm>
#include <cstring>

namespace penstock::ops {

using backends::KernelRun;
using backends::TensorView;

namespace {

size_t bytes_of(const TensorView& view) {
  return static_cast<size_t>(view.count()) * size_of(view.dtype);
}

const std::byte* data_of(const TensorView& view) {
  return static_cast<const std::byte*>(view.data);
}

}  // namespace

void CarriedTensor::assign(const TensorView& from) {
  const std::byte* data = data_of(from);
  std::vector<std::byte> bytes(data, data + bytes_of(from));
  dtype_ = from.dtype;
  shape_ = *from.shape;
  bytes_ = std::move(bytes);
}

void carry_on(std::vector<CarriedTensor>& values, const std::vector<TensorView>& results,
              size_t first) {
  std::vector<CarriedTensor> next(values.size());
  for (size_t i = 0; i < next.size(); ++i) next[i].assign(results[first + i]);
  values = std::move(next);
}

Status StackedTensor::append(const TensorView& element) {
  if (count_ == 0) {
    element_ = *element.shape;
    dtype_ = element.dtype;
    element_bytes_ = bytes_of(element);
  } else if (element_ != *element.shape) {
    return {StatusCode::kInvalidArgument, "a scan output has shape " + to_string(element_) +
                                              " in one iteration and " + to_string(*element.shape) +
                                              " in another"};
  }
  const std::byte* data = data_of(element);
  bytes_.insert(bytes_.end(), data, data + element_bytes_);
  ++count_;
  return Status::ok();
}

Status StackedTensor::write(KernelRun& run, size_t i, int64_t axis, bool reversed,
                            const Shape& planned) const {
  if (!run.has_output(i)) return Status::ok();
  Shape shape = element_;
  if (count_ == 0 && !planned.empty()) {
    shape = planned;
    const int64_t rank = static_cast<int64_t>(planned.size());
    shape.erase(shape.begin() + std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank - 1));
    for (int64_t& extent : shape) extent = std::max<int64_t>(extent, 0);
  }
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t at, InferContext::normalize_axis(axis, static_cast<int64_t>(shape.size()) + 1));
  size_t outer = 1;
  for (int64_t k = 0; k < at; ++k) outer *= static_cast<size_t>(shape[k]);
  shape.insert(shape.begin() + at, count_);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView to, run.output(i, shape));
  if (bytes_.empty()) return Status::ok();
  const size_t inner = element_bytes_ / outer;
  const size_t count = static_cast<size_t>(count_);
  for (size_t n = 0; n < count; ++n) {
    const size_t place = reversed ? count - 1 - n : n;
    for (size_t o = 0; o < outer; ++o) {
      std::memcpy(to.as<std::byte>() + (o * count + place) * inner,
                  bytes_.data() + n * element_bytes_ + o * inner, inner);
    }
  }
  return Status::ok();
}

void take_slice(const TensorView& from, int64_t axis, int64_t index, Shape& shape,
                std::vector<std::byte>& bytes) {
  shape = *from.shape;
  const size_t extent = static_cast<size_t>(shape[axis]);
  shape.erase(shape.begin() + axis);
  size_t outer = 1;
  for (int64_t k = 0; k < axis; ++k) outer *= static_cast<size_t>(shape[k]);
  bytes.resize(static_cast<size_t>(element_count(shape)) * size_of(from.dtype));
  const size_t inner = outer == 0 ? 0 : bytes.size() / outer;
  for (size_t o = 0; o < outer && inner > 0; ++o) {
    std::memcpy(bytes.data() + o * inner,
                data_of(from) + (o * extent + static_cast<size_t>(index)) * inner, inner);
  }
}

Result<ir::SymbolicShape> carried_shape(InferContext& context, const ir::SymbolicShape& initial,
                                        const ir::SymbolicShape& in, const ir::SymbolicShape& out) {
  if (initial.size() != out.size() || in.size() != out.size()) {
    return Status(StatusCode::kUnsupported, "a carried value has shape " + ir::to_string(initial) +
                                                " at first and " + ir::to_string(out) +
                                                " after a run of the body");
  }
  ir::SymbolicShape shape = initial;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool is_kept = in[i] == out[i] || initial[i] == out[i];
    if (!is_kept) shape[i] = context.fresh_symbol();
  }
  return shape;
}

ir::SymbolicShape outside_shape(InferContext& context, const ir::SymbolicShape& inside) {
  ir::SymbolicShape shape = inside;
  for (ir::Dim& extent : shape) {
    if (ir::is_data_dependent(extent)) extent = context.fresh_symbol();
  }
  return shape;
}

}  // namespace penstock::ops
