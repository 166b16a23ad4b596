// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "serve/inference.h"

namespace penstock::serve {

// What requests of a model must look like.
struct ModelInterface {
  std::string name;
  std::vector<TensorInfo> inputs;   // in the engine's order; shapes as configured, whole, -1 varies
  std::vector<TensorInfo> outputs;  // in the order in which responses have them
  int64_t max_batch_size = 0;       // 0: no batch axis
};

// Checks a request and puts its inputs into the engine's order; an empty list of outputs becomes
// all of them. `items` is the extent of the batch axis, 1 where there is none.
Error check_request(const ModelInterface& model, InferenceRequest& request, int64_t& items);

}  // namespace penstock::serve
