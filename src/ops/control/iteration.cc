// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/control/iteration.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ops/control/control.h"

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

Status HeldMemory::resize(size_t bytes) {
  PENSTOCK_RETURN_IF_ERROR(backends::hold_memory(*run_, static_cast<int64_t>(bytes) - bytes_));
  bytes_ = static_cast<int64_t>(bytes);
  return Status::ok();
}

Status CarriedTensor::assign(const TensorView& from) {
  const std::byte* data = data_of(from);
  PENSTOCK_RETURN_IF_ERROR(memory_.resize(bytes_of(from)));
  bytes_.assign(data, data + bytes_of(from));
  dtype_ = from.dtype;
  shape_ = *from.shape;
  return Status::ok();
}

Result<std::vector<CarriedTensor>> carried_inputs(KernelRun& run, size_t first, size_t last) {
  std::vector<CarriedTensor> values;
  for (size_t i = first; i < last; ++i) {
    values.emplace_back(run);
    PENSTOCK_RETURN_IF_ERROR(values.back().assign(run.input(i)));
  }
  return values;
}

Status carry(KernelRun& run, const std::vector<TensorView>& results, size_t first,
             std::vector<CarriedTensor>& values) {
  // All are read before any changes: two values may have changed places.
  std::vector<CarriedTensor> next;
  for (size_t i = 0; i < values.size(); ++i) {
    next.emplace_back(run);
    PENSTOCK_RETURN_IF_ERROR(next.back().assign(results[first + i]));
  }
  values = std::move(next);
  return Status::ok();
}

// Room doubles, so that a long loop copies each element a few times at most. Old and new stand side
// by side meanwhile.
Status StackedTensor::make_room() {
  const size_t before = bytes_.capacity();
  const size_t wanted = bytes_.size() + element_bytes_;
  if (wanted <= before) return Status::ok();
  const size_t room = std::max(wanted, 2 * before);
  PENSTOCK_RETURN_IF_ERROR(memory_.resize(before + room));
  bytes_.reserve(room);
  return memory_.resize(room);
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
  PENSTOCK_RETURN_IF_ERROR(make_room());
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

Result<ir::ElementType> carried_element(const ir::ElementType* initial, const ir::Value& out) {
  if (initial == nullptr || !out.element || initial->dtype != out.element->dtype) {
    return Status(StatusCode::kInvalidModel,
                  "a carried value holds " +
                      (initial == nullptr ? "a tensor" : ir::to_string(*initial)) +
                      " at first and " + (out.element ? ir::to_string(*out.element) : "a tensor") +
                      " after a run of the body");
  }
  ir::ElementType first = *initial;
  first.is_sequence = out.element->is_sequence;
  return ir::join(first, *out.element);
}

ir::SymbolicShape outside_shape(InferContext& context, const ir::SymbolicShape& inside) {
  ir::SymbolicShape shape = inside;
  for (ir::Dim& extent : shape) {
    if (ir::is_data_dependent(extent)) extent = context.fresh_symbol();
  }
  return shape;
}

}  // namespace penstock::ops
