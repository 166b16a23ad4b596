// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <penstock/types.h>

#include <string>

namespace penstock::python {

namespace nb = nanobind;

// The memory of a Python array, used where it is; it stays there while this lives.
struct ArrayView {
  Shape shape;
  void* data = nullptr;
  size_t bytes = 0;
  bool on_device = false;  // in memory of a GPU
  nb::ndarray<nb::ro> pin;
};

// The GPU whose arrays are taken where they are: "cuda:1"; empty where none is.
using ArrayDevice = std::string;

// Any row-major array of the tensor's type, from NumPy, the buffer protocol or DLPack, in host
// memory or on `device`, whose default stream then waits for what fills it. `role` is "input" or
// "output", whose memory must be writable; errors name it and what was expected.
ArrayView view_of(nb::handle object, const char* role, const TensorInfo& tensor,
                  const ArrayDevice& device = "");

// NumPy's type; ml_dtypes' where NumPy has none and that package is installed, else the bits as
// unsigned integers.
nb::object numpy_dtype(DataType dtype);

// numpy.empty
nb::object empty_array(const Shape& shape, DataType dtype);

nb::tuple to_tuple(const Shape& shape);
// A sequence of integers; `what` names it in errors.
Shape to_shape(nb::handle object, const std::string& what);

}  // namespace penstock::python
