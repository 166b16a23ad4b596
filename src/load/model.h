// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/tensor.h>
#include <penstock/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "load/connection.h"

namespace penstock::load {

// A model as its server describes it; -1 stands for an extent that varies.
struct ModelDescription {
  std::vector<TensorInfo> inputs;
  std::vector<std::string> outputs;
};

struct ModelName {
  std::string name;
  std::string version;  // empty: the server chooses
};

// Asks the server, over the target's protocol.
Result<ModelDescription> describe_model(const Target& target, const ModelName& model,
                                        double timeout_s);
// The answers that it reads: of GET v2/models/NAME, and a ModelMetadataResponse.
Result<ModelDescription> parse_json_description(std::string_view json);
Result<ModelDescription> parse_grpc_description(std::string_view message);

enum class TensorFormat { kBinary, kJson };

// A request of inference with these inputs, for the target's protocol. Over HTTP in JSON or with
// the binary extension, which asks for binary outputs too; over gRPC always raw. FP16 and BF16 have
// no form in JSON.
Result<Request> inference_request(const Target& target, const ModelName& model,
                                  const std::map<std::string, Tensor>& inputs, TensorFormat format);
// Any HTTP request.
Request http_request(const Target& target, std::string_view method, std::string_view path,
                     std::string_view content_type, std::string body);

}  // namespace penstock::load
