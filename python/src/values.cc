// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "values.h"

#include <nanobind/stl/string.h>

#include <cstring>
#include <deque>

#include "errors.h"

namespace penstock::python {
namespace {

std::string what_is(const TensorInfo& info) { return "input '" + info.name + "'"; }

std::string text_of(nb::handle item, const TensorInfo& info) {
  if (nb::isinstance<nb::str>(item)) return nb::cast<std::string>(item);
  if (nb::isinstance<nb::bytes>(item)) {
    const auto bytes = nb::borrow<nb::bytes>(item);
    return {bytes.c_str(), bytes.size()};
  }
  raise_type_error(what_is(info) + ": expected strings, got " + kind_of(item));
}

Tensor string_tensor(nb::handle object, const TensorInfo& info) {
  const nb::module_ numpy = nb::module_::import_("numpy");
  const nb::object array = numpy.attr("asarray")(object, nb::arg("dtype") = "object");
  std::deque<std::string> texts;  // views of them stay valid
  std::vector<std::string_view> views;
  for (nb::handle item : nb::iter(array.attr("ravel")().attr("tolist")())) {
    texts.push_back(text_of(item, info));
    views.push_back(texts.back());
  }
  return Tensor::from_strings(to_shape(array.attr("shape"), what_is(info)), views);
}

Tensor tensor_of(nb::handle object, const TensorInfo& info) {
  if (info.dtype == DataType::kString) return string_tensor(object, info);
  const ArrayView view = view_of(object, "input", info);
  return Tensor::copy_of(info.dtype, view.shape, view.data);
}

Value sequence_of(nb::handle object, const TensorInfo& info) {
  if (!nb::isinstance<nb::list>(object) && !nb::isinstance<nb::tuple>(object)) {
    raise_type_error(what_is(info) + ": expected a list of arrays, got " + kind_of(object));
  }
  std::vector<Tensor> tensors;
  for (nb::handle item : nb::iter(object)) tensors.push_back(tensor_of(item, info));
  return Value::sequence(std::move(tensors));
}

nb::object array_of(const Tensor& tensor) {
  const nb::object array = empty_array(tensor.shape(), tensor.dtype());
  if (tensor.dtype() == DataType::kString) {
    const nb::object flat = array.attr("reshape")(-1);
    size_t i = 0;
    for (std::string_view text : tensor.strings()) {
      nb::object item = nb::steal(PyUnicode_DecodeUTF8(
          text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
      flat[i++] = item;
    }
    return array;
  }
  TensorInfo info;
  info.dtype = tensor.dtype();
  const ArrayView target = view_of(array, "output", info);
  if (target.bytes > 0) std::memcpy(target.data, tensor.data(), target.bytes);
  return array;
}

}  // namespace

bool is_copied(const TensorInfo& info) {
  return info.kind != ValueKind::kTensor || info.dtype == DataType::kString;
}

Value value_of(nb::handle object, const TensorInfo& info) {
  switch (info.kind) {
    case ValueKind::kTensor: return tensor_of(object, info);
    case ValueKind::kSequence: return sequence_of(object, info);
    case ValueKind::kOptionalTensor:
      return object.is_none() ? Value() : Value(tensor_of(object, info));
    case ValueKind::kOptionalSequence:
      return object.is_none() ? Value() : sequence_of(object, info);
  }
  return {};
}

nb::object to_python(const Value& value) {
  if (value.is_none()) return nb::none();
  if (value.is_tensor()) return array_of(value.tensor());
  nb::list list;
  for (const Tensor& tensor : value.tensors()) list.append(array_of(tensor));
  return list;
}

}  // namespace penstock::python
