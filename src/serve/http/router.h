// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock::serve::http {

enum class Endpoint {
  kServerMetadata,
  kLive,
  kReady,
  kModelMetadata,
  kModelReady,
  kModelConfig,
  kModelStatistics,
  kInfer,
  kGenerate,
  kRepositoryIndex,
  kRepositoryLoad,
  kRepositoryUnload,
  kTraceSetting,
  kLogging,
  kSharedMemory,
};

struct Route {
  Endpoint endpoint = Endpoint::kServerMetadata;
  std::string model;    // percent-decoded
  std::string version;  // digits, or empty
  std::string repository;
};

// What a request's target asks for; nothing where there is no such endpoint.
std::optional<Route> find_route(std::string_view target);

// "%2F" and its like; nothing where it is malformed, or holds a zero.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace penstock::serve::http
