// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nanobind/nanobind.h>
#include <penstock/value.h>

#include "arrays.h"

namespace penstock::python {

// True for what is copied in and out rather than bound where it is: strings, sequences, optionals.
bool is_copied(const TensorInfo& info);

// A copy of an input of such a kind: an array of strings (anything that NumPy makes an array of
// objects of), a list of arrays for a sequence, None for an optional that holds nothing.
Value value_of(nb::handle object, const TensorInfo& info);
// An array, of objects for strings; a list of arrays; None.
nb::object to_python(const Value& value);

}  // namespace penstock::python
