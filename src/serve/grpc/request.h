// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "serve/inference.h"
#include "serve/protos/inference.pb.h"

namespace google::protobuf::io {
class ZeroCopyInputStream;
}

namespace penstock::serve {

// What the inputs of a request that came as protobuf view.
struct RequestMemory {
  inference::ModelInferRequest message;         // without its raw contents
  std::vector<std::shared_ptr<std::byte>> raw;  // 64-byte aligned, an input each
  std::vector<size_t> raw_bytes;
  std::vector<std::vector<StringRef>> strings;
  std::vector<std::vector<std::byte>> narrowed;  // elements that protobuf holds as 32 bits
};

// Takes a ModelInferRequest off the wire into `request`, whose inputs view `memory`. Raw contents
// are copied once, from the pieces in which they came to where the model reads them. `bytes` is how
// many there are: no memory is taken for more.
Error read_request(google::protobuf::io::ZeroCopyInputStream& stream, size_t bytes,
                   RequestMemory& memory, InferenceRequest& request);

// The parameter of a request that asks for a response after the last, and headers aside.
inline constexpr const char* kEmptyFinalResponse = "triton_enable_empty_final_response";

}  // namespace penstock::serve
