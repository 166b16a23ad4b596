// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/target.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

namespace penstock::load {
namespace {

Status wrong(std::string_view url, std::string_view why) {
  return {StatusCode::kInvalidArgument,
          fmt::format("'{}': {}; give http://HOST:PORT or grpc://HOST:PORT", url, why)};
}

struct Parts {
  std::string host;
  uint16_t port;
};

Result<Parts> split_authority(std::string_view authority, std::string_view url, uint16_t port) {
  std::string_view host = authority;
  std::string_view rest;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong(url, "a bracket is not closed");
    host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
  } else if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    rest = authority.substr(colon);
  }
  if (host.empty()) return wrong(url, "no host");
  if (!rest.empty()) {
    if (rest.front() != ':') return wrong(url, "no port after the host");
    rest.remove_prefix(1);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    if (error != std::errc() || end != rest.data() + rest.size() || port == 0) {
      return wrong(url, fmt::format("'{}' is no port", rest));
    }
  }
  return Parts{std::string(host), port};
}

}  // namespace

Result<Target> resolve(std::string_view url) {
  Target target;
  std::string_view rest = url;
  if (const size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    const std::string_view name = url.substr(0, scheme);
    rest = url.substr(scheme + 3);
    if (name == "grpc") {
      target.protocol = Protocol::kGrpc;
    } else if (name == "https" || name == "grpcs") {
      return wrong(url, "TLS is not supported");
    } else if (name != "http") {
      return wrong(url, fmt::format("no protocol '{}'", name));
    }
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find('/') != std::string_view::npos) {
    return wrong(url, "a path; that goes into --path");
  }
  const bool is_http = target.protocol == Protocol::kHttp;
  PENSTOCK_ASSIGN_OR_RETURN(const Parts parts, split_authority(rest, url, is_http ? 8000 : 8001));

  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(parts.port);
  if (const int error = ::getaddrinfo(parts.host.c_str(), port.c_str(), &hints, &found);
      error != 0) {
    return Status(StatusCode::kNotFound,
                  fmt::format("no address for host '{}': {}", parts.host, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  // "localhost" may stand for IPv6 first, where many servers do not listen.
  const addrinfo* best = found;
  for (const addrinfo* it = found; it != nullptr; it = it->ai_next) {
    if (it->ai_family == AF_INET) {
      best = it;
      break;
    }
  }
  std::memcpy(&target.address, best->ai_addr, best->ai_addrlen);
  target.address_size = best->ai_addrlen;
  target.authority = rest.find(':') == std::string_view::npos ? fmt::format("{}:{}", rest, port)
                                                              : std::string(rest);
  target.text = fmt::format("{}://{}", is_http ? "http" : "grpc", target.authority);
  return target;
}

Result<int> begin_connection(const Target& target) {
  const int socket =
      ::socket(target.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) {
    return Status(StatusCode::kIoError,
                  fmt::format("no socket for {}: {}", target.text, socket_reason(errno)));
  }
  const int on = 1;
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  if (::connect(socket, address, target.address_size) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    ::close(socket);
    return Status(StatusCode::kIoError,
                  fmt::format("no connection to {}: {}", target.text, socket_reason(error)));
  }
  return socket;
}

int connection_error(int socket) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

std::string socket_reason(int error) {
  switch (error) {
    case ECONNREFUSED: return "connection refused";
    case EPIPE:
    case ECONNRESET: return "connection reset";
    case ETIMEDOUT: return "connection timed out";
    default: return std::generic_category().message(error);
  }
}

}  // namespace penstock::load
