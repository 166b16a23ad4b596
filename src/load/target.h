// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::load {

enum class Protocol { kHttp, kGrpc };

// A server, found.
struct Target {
  Protocol protocol = Protocol::kHttp;
  std::string text;       // "http://localhost:8000", for messages
  std::string authority;  // "localhost:8000"
  std::vector<std::pair<std::string, std::string>> headers;  // to send with every request
  sockaddr_storage address = {};
  socklen_t address_size = 0;
};

// "http://HOST[:PORT]", "grpc://HOST[:PORT]" or "HOST[:PORT]", which is HTTP; the ports are 8000
// and 8001 unless given. IPv6 addresses stand in brackets.
Result<Target> resolve(std::string_view url);

// A socket that does not block, its connection begun. The error names the target.
Result<int> begin_connection(const Target& target);
// Of a connection begun: what became of it, 0 or an errno.
int connection_error(int socket);
// "connection refused" and the like, for what a socket call said.
std::string socket_reason(int error);

}  // namespace penstock::load
