// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace penstock::serve {

class ModelServer;

struct GrpcOptions {
  std::string address = "0.0.0.0";
  uint16_t port = 8001;  // 0: any that is free
  bool reuse_port = false;
  int threads = 2;        // that wait for calls and take their requests apart
  int calls_at_hand = 8;  // calls prepared for each thread before they come
  int64_t most_message_bytes = INT32_MAX;
  std::string compression = "none";  // of responses: none, low, medium, high

  // Of HTTP/2, in gRPC's terms; milliseconds.
  int keepalive_time_ms = 7200000;
  int keepalive_timeout_ms = 20000;
  bool keepalive_without_calls = false;
  int most_pings_without_data = 2;
  int min_ping_interval_without_data_ms = 300000;
  int most_ping_strikes = 2;
  int most_connection_age_ms = 0;  // 0: no limit
  int connection_age_grace_ms = 0;
  int most_streams_per_connection = 0;  // 0: gRPC's own

  // TLS: files in PEM. `root_certificate` is whose client certificates are good, where they are
  // wanted.
  bool use_tls = false;
  bool wants_client_certificate = false;
  std::string certificate;
  std::string key;
  std::string root_certificate;
};

// The gRPC front end: inference.GRPCInferenceService and grpc.health.v1.Health.
class GrpcFrontEnd {
 public:
  // Listens, and answers from now on; `server` lives longer. Errors: an address that cannot be
  // listened on, files of TLS that cannot be read.
  static Result<std::unique_ptr<GrpcFrontEnd>> start(ModelServer& server,
                                                     const GrpcOptions& options);
  ~GrpcFrontEnd();

  uint16_t port() const;
  // From here on no connections and calls are taken, and clients are told; those under way have
  // until `timeout`, then they are cancelled. Returns at once.
  void begin_drain(std::chrono::milliseconds timeout);
  // Returns when all calls have ended.
  void stop();

 private:
  struct Parts;
  explicit GrpcFrontEnd(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace penstock::serve
