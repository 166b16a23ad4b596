// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "serve/inference.h"

namespace penstock::serve {

// A part of a message: bytes of its own, or those of a tensor that the response's memory holds.
struct MessagePiece {
  std::string own;
  const void* data = nullptr;
  size_t bytes = 0;
};

// A ModelInferResponse, or the ModelStreamInferResponse around it, as the pieces that make it up:
// large outputs stay where they are.
struct ResponseForm {
  bool in_stream = false;  // as ModelStreamInferResponse, errors included
};
std::vector<MessagePiece> write_response(const InferenceResponse& response, ResponseForm form);

}  // namespace penstock::serve
