// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/inference.h"

namespace penstock::serve {

// The `classes` largest elements of each batch item, as strings "value:index" or
// "value:index:label". `owner` then keeps them alive. Errors: a type that has no order.
Answer<TensorView> classify(const TensorView& tensor, uint32_t classes, bool has_batch_axis,
                            const std::vector<std::string>& labels,
                            std::shared_ptr<const void>& owner);

}  // namespace penstock::serve
