// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The body of an inference request: JSON, and binary tensors behind it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http/message.h"

namespace penstock::serve::http {

// What the body says, and the memory that its tensors lie in.
struct ParsedInference {
  std::string id;
  std::vector<TensorView> inputs;
  std::vector<RequestedOutput> outputs;
  std::vector<bool> is_binary;  // of each output
  bool is_binary_by_default = false;
  Parameters parameters;
  uint64_t priority = 0;
  uint64_t timeout_us = 0;
  std::variant<uint64_t, std::string> sequence_id = uint64_t{0};
  bool sequence_start = false;
  bool sequence_end = false;
  // Of tensors that came as JSON, or that were not where their elements may be.
  std::vector<std::shared_ptr<const void>> memory;
};

// `body` has Request::kPadding readable bytes behind it, and lives as long as the result.
// `json_length` is what the client said of its JSON part; nothing: all of it is JSON.
Answer<ParsedInference> parse_inference(std::string_view body, std::optional<uint64_t> json_length,
                                        const Limits& limits);

}  // namespace penstock::serve::http
