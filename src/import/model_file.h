// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <memory>
#include <span>

#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

// Operator sets that the rules know: newer ones may mean anything.
constexpr int kOldestOpset = 1;
constexpr int kNewestOpset = 28;

// Parses a model and checks that its format is one this importer knows.
Result<std::shared_ptr<const onnx::ModelProto>> parse_model(std::span<const std::byte> bytes);

// True for the domain of ONNX's own operators, which has two spellings.
bool is_onnx_domain(const std::string& domain);

// Version of ONNX's own operators among the imports; 0 where there is none.
template <typename Imports>
int64_t onnx_opset(const Imports& imports) {
  for (const onnx::OperatorSetIdProto& import : imports) {
    if (is_onnx_domain(import.domain())) return import.version();
  }
  return 0;
}

// An error that tells the supported range unless `opset` is in it.
Status check_opset(int64_t opset);

}  // namespace penstock::importer
