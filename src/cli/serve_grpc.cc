// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/serve_grpc.h"

namespace penstock::cli {
namespace {

void add_connection_options(CLI::App& command, serve::GrpcOptions& options) {
  command
      .add_option("--grpc-keepalive-time", options.keepalive_time_ms,
                  "Milliseconds without traffic until a client is pinged")
      ->capture_default_str();
  command
      .add_option("--grpc-keepalive-timeout", options.keepalive_timeout_ms,
                  "Milliseconds that it has to answer")
      ->capture_default_str();
  command
      .add_option("--grpc-keepalive-permit-without-calls", options.keepalive_without_calls,
                  "Ping clients without calls too")
      ->capture_default_str();
  command
      .add_option("--grpc-http2-max-pings-without-data", options.most_pings_without_data,
                  "Pings to a client between messages; 0: any number")
      ->capture_default_str();
  command
      .add_option("--grpc-http2-min-recv-ping-interval-without-data",
                  options.min_ping_interval_without_data_ms,
                  "Least milliseconds between a client's pings")
      ->capture_default_str();
  command
      .add_option("--grpc-http2-max-ping-strikes", options.most_ping_strikes,
                  "Earlier pings until the connection is closed; 0: any number")
      ->capture_default_str();
  command.add_option("--grpc-max-connection-age", options.most_connection_age_ms,
                     "Milliseconds until a connection is closed in good order (default: no limit)");
  command.add_option("--grpc-max-connection-age-grace", options.connection_age_grace_ms,
                     "Milliseconds that calls under way have then");
  command.add_option("--grpc-max-concurrent-streams", options.most_streams_per_connection,
                     "Calls at once on one connection (default: gRPC's own)");
}

void add_tls_options(CLI::App& command, serve::GrpcOptions& options) {
  command.add_option("--grpc-use-ssl", options.use_tls, "TLS")->capture_default_str();
  command
      .add_option("--grpc-use-ssl-mutual", options.wants_client_certificate,
                  "Clients show a certificate too, of --grpc-root-cert")
      ->capture_default_str();
  command.add_option("--grpc-server-cert", options.certificate, "File in PEM");
  command.add_option("--grpc-server-key", options.key, "File in PEM");
  command.add_option("--grpc-root-cert", options.root_certificate, "File in PEM");
}

}  // namespace

void add_grpc_options(CLI::App& command, serve::GrpcOptions& options, bool& allow) {
  command.add_option("--allow-grpc", allow)->capture_default_str();
  command.add_option("--grpc-address", options.address)->capture_default_str();
  command.add_option("--grpc-port", options.port, "0: any free one")->capture_default_str();
  command.add_option("--reuse-grpc-port", options.reuse_port)->capture_default_str();
  command
      .add_option("--grpc-infer-thread-count", options.threads, "Threads that take requests apart")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      .add_option("--grpc-infer-allocation-pool-size", options.calls_at_hand,
                  "Calls that each of them has at hand")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command
      .add_option("--grpc-max-input-size", options.most_message_bytes,
                  "Largest message of a client, in bytes")
      ->check(CLI::Range(int64_t{1}, int64_t{INT32_MAX}))
      ->capture_default_str();
  command
      .add_option("--grpc-infer-response-compression-level", options.compression,
                  "none, low, medium or high")
      ->check(CLI::IsMember({"none", "low", "medium", "high"}))
      ->capture_default_str();
  add_connection_options(command, options);
  add_tls_options(command, options);
}

}  // namespace penstock::cli
