// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Protobuf to tensors: what a client sends as ModelInferRequest. The first byte says in what pieces
// it comes. What was read goes back as a response, which must hold the same.
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cstdlib>
#include <cstring>

#include "serve/grpc/request.h"
#include "serve/grpc/response.h"

namespace {

using namespace penstock::serve;

class Request : public InferenceRequest {
 public:
  void complete(InferenceResponse) noexcept override {}
};

void check_response(const InferenceResponse& response) {
  std::string bytes;
  for (const MessagePiece& piece : write_response(response, {})) {
    bytes += piece.own;
    bytes.append(static_cast<const char*>(piece.data), piece.bytes);
  }
  inference::ModelInferResponse message;
  if (!message.ParseFromString(bytes)) std::abort();
  for (size_t i = 0; i < response.outputs.size(); ++i) {
    const TensorView& output = response.outputs[i];
    const std::string& raw = message.raw_output_contents(static_cast<int>(i));
    if (output.dtype == penstock::DataType::kString) {
      if (raw.size() != serialized_size(output)) std::abort();
    } else if (raw.size() != output.bytes ||
               (output.bytes > 0 && std::memcmp(raw.data(), output.data, raw.size()) != 0)) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  google::protobuf::io::ArrayInputStream stream(data + 1, static_cast<int>(size - 1),
                                                data[0] % 32 + 1);
  RequestMemory memory;
  Request request;
  if (!read_request(stream, size - 1, memory, request).is_ok()) return 0;
  InferenceResponse response;
  response.outputs = request.inputs;
  check_response(response);
  return 0;
}
