// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "arrays.h"

#include <nanobind/stl/string.h>

#include <array>
#include <cstring>
#include <optional>

#include "errors.h"

namespace penstock::python {
namespace {

using Array = nb::ndarray<nb::ro>;
using Code = nb::dlpack::dtype_code;

// Our name of a DLPack type; empty where there is none.
std::string name_of(nb::dlpack::dtype dtype) {
  const std::string bits = std::to_string(dtype.bits);
  if (dtype.lanes != 1) return "";
  switch (static_cast<Code>(dtype.code)) {
    case Code::Int: return "int" + bits;
    case Code::UInt: return "uint" + bits;
    case Code::Float: return "float" + bits;
    case Code::Bfloat: return "bfloat" + bits;
    case Code::Complex: return "complex" + bits;
    case Code::Bool: return "bool";
    default: return "";
  }
}

std::string expectation(const char* role, const TensorInfo& tensor) {
  std::string dims;
  for (const std::string& dim : tensor.dims) dims += (dims.empty() ? "" : ", ") + dim;
  return std::string(role) + " '" + tensor.name + "': expected a row-major " +
         std::string(to_string(tensor.dtype)) + " array of shape [" + dims + "]";
}

// Arrays whose type only NumPy knows, from ml_dtypes, come as their bits.
std::optional<Array> import_bits(nb::handle object, std::string& type) {
  if (!nb::hasattr(object, "dtype") || !nb::hasattr(object, "view")) return std::nullopt;
  type = nb::cast<std::string>(
      nb::module_::import_("penstock._dtypes").attr("penstock_name")(object.attr("dtype")));
  if (type.empty()) return std::nullopt;
  const auto size = nb::cast<size_t>(object.attr("dtype").attr("itemsize"));
  Array array;
  const nb::object bits = object.attr("view")("u" + std::to_string(size));
  if (!nb::try_cast(bits, array, false)) return std::nullopt;
  return array;
}

bool is_row_major(const Array& array) {
  int64_t expected = 1;
  if (array.size() == 0) return true;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != expected) return false;
    expected *= static_cast<int64_t>(array.shape(i));
  }
  return true;
}

bool is_writable(nb::handle object, const Array& array) {
  if (array.size() == 0) return true;
  // Asked of the exporter: a DLPack capsule may leave it open.
  if (nb::hasattr(object, "flags") && nb::hasattr(object.attr("flags"), "writeable")) {
    return nb::cast<bool>(object.attr("flags").attr("writeable"));
  }
  nb::ndarray<> writable;
  return nb::try_cast(object, writable, false);
}

// The "cuda:1" of an array in memory of a GPU; empty for others.
std::string gpu_of(nb::handle object) {
  if (!nb::hasattr(object, "__dlpack_device__")) return "";
  const nb::object place = object.attr("__dlpack_device__")();
  const auto numbers = nb::cast<nb::tuple>(place);
  const auto number = [&](size_t i) { return nb::cast<int>(numbers[i].attr("__int__")()); };
  return number(0) == nb::device::cuda::value ? "cuda:" + std::to_string(number(1)) : "";
}

// What DLPack gives of an array on a GPU, once the default stream waits for who fills it.
Array import_from_gpu(nb::handle object) {
  constexpr int kDefaultStream = 1;  // its number in the array API standard
  const nb::object capsule = object.attr("__dlpack__")(nb::arg("stream") = kDefaultStream);
  return nb::cast<Array>(capsule, false);
}

bool is_host_memory(const Array& array) {
  return array.device_type() == nb::device::cpu::value ||
         array.device_type() == nb::device::cuda_host::value;
}

Array import(nb::handle object, const char* role, const TensorInfo& tensor,
             const ArrayDevice& device) {
  Array array;
  std::string type;
  const std::string gpu = device.empty() ? "" : gpu_of(object);
  if (!gpu.empty() && gpu == device) {
    array = import_from_gpu(object);
    type = name_of(array.dtype());
  } else if (gpu.empty() && nb::try_cast(object, array, false) && is_host_memory(array)) {
    type = name_of(array.dtype());
  } else if (std::optional<Array> bits = import_bits(object, type)) {
    array = *std::move(bits);
  } else if (const std::string place = gpu_of(object); !place.empty()) {
    raise_type_error(expectation(role, tensor) + " in host memory" +
                     (device.empty() ? "" : " or on " + device) + ", got one on " + place);
  } else if (nb::hasattr(object, "dtype")) {
    type = nb::cast<std::string>(object.attr("dtype").attr("__str__")());
  } else {
    raise_type_error(expectation(role, tensor) + " (NumPy, buffer protocol or DLPack), got " +
                     kind_of(object));
  }
  if (type != to_string(tensor.dtype)) {
    raise_type_error(expectation(role, tensor) + ", got " + (type.empty() ? "another type" : type));
  }
  return array;
}

}  // namespace

ArrayView view_of(nb::handle object, const char* role, const TensorInfo& tensor,
                  const ArrayDevice& device) {
  ArrayView view;
  view.pin = import(object, role, tensor, device);
  view.on_device = !is_host_memory(view.pin);
  if (!is_row_major(view.pin)) {
    raise("InvalidArgumentError", expectation(role, tensor) +
                                      ", got one with other strides; numpy.ascontiguousarray() "
                                      "makes a copy that fits");
  }
  if (std::strcmp(role, "output") == 0 && !view.on_device && !is_writable(object, view.pin)) {
    raise("InvalidArgumentError", expectation(role, tensor) + ", got one that is read-only");
  }
  view.data = const_cast<void*>(view.pin.data());
  view.bytes = view.pin.nbytes();
  if (reinterpret_cast<uintptr_t>(view.data) % std::max<size_t>(view.pin.itemsize(), 1) != 0 &&
      view.bytes != 0) {
    raise("InvalidArgumentError", expectation(role, tensor) +
                                      ", got one whose address is not a multiple of its element "
                                      "size; a copy of it is aligned");
  }
  for (size_t i = 0; i < view.pin.ndim(); ++i) {
    view.shape.push_back(static_cast<int64_t>(view.pin.shape(i)));
  }
  return view;
}

nb::object numpy_dtype(DataType dtype) {
  // Never freed: the interpreter is gone when statics are.
  static auto& known = *new std::array<nb::object, 256>;
  nb::object& entry = known[static_cast<size_t>(dtype)];
  if (!entry.is_valid()) {
    entry =
        nb::module_::import_("penstock._dtypes").attr("numpy_dtype")(std::string(to_string(dtype)));
  }
  return entry;
}

nb::object empty_array(const Shape& shape, DataType dtype) {
  static auto& empty = *new nb::object(nb::module_::import_("numpy").attr("empty"));
  return empty(to_tuple(shape), numpy_dtype(dtype));
}

nb::tuple to_tuple(const Shape& shape) {
  nb::object tuple = nb::steal(PyTuple_New(static_cast<nb::ssize_t>(shape.size())));
  for (size_t i = 0; i < shape.size(); ++i) {
    PyTuple_SET_ITEM(tuple.ptr(), static_cast<nb::ssize_t>(i), PyLong_FromLongLong(shape[i]));
  }
  return nb::borrow<nb::tuple>(tuple);
}

Shape to_shape(nb::handle object, const std::string& what) {
  if (!nb::hasattr(object, "__len__") || !nb::hasattr(object, "__getitem__") ||
      nb::isinstance<nb::str>(object)) {
    raise_type_error(what + ": expected a sequence of integers, got " + kind_of(object));
  }
  Shape shape;
  for (nb::handle item : nb::iter(object)) {
    const nb::object integer = nb::steal(PyNumber_Index(item.ptr()));
    if (!integer.is_valid()) {
      PyErr_Clear();
      raise_type_error(what + ": expected integers, got " + kind_of(item));
    }
    const int64_t extent = PyLong_AsLongLong(integer.ptr());
    if (extent == -1 && PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      raise("InvalidArgumentError", what + ": an extent does not fit 64 bits");
    }
    shape.push_back(extent);
  }
  return shape;
}

}  // namespace penstock::python
