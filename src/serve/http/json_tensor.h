// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simdjson.h>

#include <memory>

#include "serve/inference.h"

namespace penstock::serve::http {

// Fills in data and bytes of a tensor whose name, type and shape are known, from an array of
// numbers, bools or strings, flat or nested, row-major. `memory` then keeps the elements alive.
Error read_json_tensor(simdjson::dom::array data, TensorView& tensor,
                       std::shared_ptr<const void>& memory);

// The elements as a flat JSON array, appended. Floats that JSON does not have become null.
void append_json_tensor(const TensorView& tensor, std::string& json);

}  // namespace penstock::serve::http
