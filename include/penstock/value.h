// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/tensor.h>

#include <utility>
#include <variant>
#include <vector>

namespace penstock {

// What goes into a run and comes out of it: a tensor, a sequence of tensors, or nothing, which an
// optional may be. Copies share the tensors' elements.
class Value {
 public:
  Value() = default;  // nothing
  Value(Tensor tensor) : held_(std::move(tensor)) {}
  static Value sequence(std::vector<Tensor> tensors) {
    Value value;
    value.held_ = std::move(tensors);
    return value;
  }

  bool is_none() const { return held_.index() == 0; }
  bool is_tensor() const { return held_.index() == 1; }
  bool is_sequence() const { return held_.index() == 2; }
  // The tensor; an empty one without a type where the value is no tensor.
  const Tensor& tensor() const {
    static const Tensor kNone;
    const Tensor* tensor = std::get_if<1>(&held_);
    return tensor == nullptr ? kNone : *tensor;
  }
  // The tensors of a sequence; none where the value is no sequence.
  const std::vector<Tensor>& tensors() const {
    static const std::vector<Tensor> kNone;
    const std::vector<Tensor>* tensors = std::get_if<2>(&held_);
    return tensors == nullptr ? kNone : *tensors;
  }

 private:
  std::variant<std::monostate, Tensor, std::vector<Tensor>> held_;
};

}  // namespace penstock
