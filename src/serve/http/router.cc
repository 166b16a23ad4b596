// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/http/router.h"

#include <algorithm>
#include <vector>

namespace penstock::serve::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

using Parts = std::vector<std::string_view>;

// Components behind "/v2/"; a slash at the end makes none.
std::optional<Parts> split(std::string_view target) {
  constexpr size_t kMostParts = 12;
  target = target.substr(0, std::min(target.find('?'), target.size()));
  constexpr std::string_view kPrefix = "/v2";
  if (!target.starts_with(kPrefix)) return std::nullopt;
  target.remove_prefix(kPrefix.size());
  if (!target.empty() && target.front() != '/') return std::nullopt;
  Parts parts;
  while (!target.empty()) {
    target.remove_prefix(1);
    const size_t slash = std::min(target.find('/'), target.size());
    if (slash > 0 || slash < target.size()) parts.push_back(target.substr(0, slash));
    target.remove_prefix(slash);
    if (parts.size() > kMostParts) return std::nullopt;
  }
  return parts;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What stands behind a model: nothing, or the name of an endpoint.
std::optional<Endpoint> model_endpoint(std::string_view name) {
  if (name.empty()) return Endpoint::kModelMetadata;
  if (name == "ready") return Endpoint::kModelReady;
  if (name == "config") return Endpoint::kModelConfig;
  if (name == "stats") return Endpoint::kModelStatistics;
  if (name == "infer") return Endpoint::kInfer;
  if (name == "generate" || name == "generate_stream") return Endpoint::kGenerate;
  return std::nullopt;
}

std::optional<Route> model_route(Parts parts) {
  Route route;
  if (parts.size() == 1 && parts[0] == "stats") {
    route.endpoint = Endpoint::kModelStatistics;
    return route;
  }
  if (parts.empty()) return std::nullopt;
  const auto name = percent_decoded(parts[0]);
  if (!name || name->empty()) return std::nullopt;
  route.model = *name;
  parts.erase(parts.begin());
  if (parts.size() == 2 && parts[0] == "trace" && parts[1] == "setting") {
    route.endpoint = Endpoint::kTraceSetting;
    return route;
  }
  if (parts.size() >= 2 && parts[0] == "versions" && is_number(parts[1])) {
    route.version = parts[1];
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  if (parts.size() > 1) return std::nullopt;
  const auto endpoint = model_endpoint(parts.empty() ? std::string_view() : parts[0]);
  if (!endpoint) return std::nullopt;
  route.endpoint = *endpoint;
  return route;
}

std::optional<Route> repository_route(Parts parts) {
  Route route;
  if (!parts.empty() && parts[0] != "index" && !(parts[0] == "models" && parts.size() == 3)) {
    const auto name = percent_decoded(parts[0]);
    if (!name) return std::nullopt;
    route.repository = *name;
    parts.erase(parts.begin());
  }
  if (parts.size() == 1 && parts[0] == "index") {
    route.endpoint = Endpoint::kRepositoryIndex;
    return route;
  }
  if (parts.size() != 3 || parts[0] != "models") return std::nullopt;
  const auto model = percent_decoded(parts[1]);
  if (!model) return std::nullopt;
  route.model = *model;
  if (parts[2] == "load") {
    route.endpoint = Endpoint::kRepositoryLoad;
  } else if (parts[2] == "unload") {
    route.endpoint = Endpoint::kRepositoryUnload;
  } else {
    return std::nullopt;
  }
  return route;
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::optional<Route> find_route(std::string_view target) {
  std::optional<Parts> parts = split(target);
  if (!parts) return std::nullopt;
  const auto plain = [](Endpoint endpoint) {
    Route route;
    route.endpoint = endpoint;
    return route;
  };
  if (parts->empty()) return plain(Endpoint::kServerMetadata);
  const std::string_view first = parts->front();
  parts->erase(parts->begin());
  const auto is = [&](std::string_view only) { return parts->size() == 1 && (*parts)[0] == only; };
  if (first == "models") return model_route(*std::move(parts));
  if (first == "repository") return repository_route(*std::move(parts));
  if (first == "health" && is("live")) return plain(Endpoint::kLive);
  if (first == "health" && is("ready")) return plain(Endpoint::kReady);
  if (first == "trace" && is("setting")) return plain(Endpoint::kTraceSetting);
  if (first == "logging" && parts->empty()) return plain(Endpoint::kLogging);
  if (first == "systemsharedmemory" || first == "cudasharedmemory") {
    return plain(Endpoint::kSharedMemory);
  }
  return std::nullopt;
}

}  // namespace penstock::serve::http
