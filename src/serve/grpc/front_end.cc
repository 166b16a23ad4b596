// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/front_end.h"

#include <fmt/format.h>
#include <grpcpp/alarm.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/health_check_service_interface.h>

#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "serve/grpc/calls.h"

namespace penstock::serve {
namespace {

constexpr auto kHealthInterval = std::chrono::milliseconds(50);
constexpr const char* kServiceName = "inference.GRPCInferenceService";

// Keeps grpc.health.v1 in step with the server's own readiness, for Check and for Watch.
class HealthWatch : public Tag {
 public:
  HealthWatch(const ModelServer& server, grpc::HealthCheckServiceInterface& health,
              grpc::CompletionQueue& queue)
      : server_(server), health_(health), queue_(queue) {
    update();
  }
  void happened(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (ok && !ended_) update();
  }
  // No alarm is set from here on: the queue may end.
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    health_.SetServingStatus(false);
    alarm_.Cancel();
  }

 private:
  void update() {
    const bool ready = server_.is_ready();
    health_.SetServingStatus("", ready);
    health_.SetServingStatus(kServiceName, ready);
    alarm_.Set(&queue_, std::chrono::system_clock::now() + kHealthInterval, this);
  }

  const ModelServer& server_;
  grpc::HealthCheckServiceInterface& health_;
  grpc::CompletionQueue& queue_;
  grpc::Alarm alarm_;
  std::mutex mutex_;
  bool ended_ = false;
};

Result<std::string> read_file(const std::string& path, const char* what) {
  std::ifstream file(path, std::ios::binary);
  if (path.empty() || !file) {
    return Status(StatusCode::kNotFound,
                  fmt::format("gRPC over TLS: cannot read the {} '{}'", what, path));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const GrpcOptions& options) {
  if (!options.use_tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions tls(
      options.wants_client_certificate ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  PENSTOCK_ASSIGN_OR_RETURN(pair.private_key, read_file(options.key, "server's key"));
  PENSTOCK_ASSIGN_OR_RETURN(pair.cert_chain,
                            read_file(options.certificate, "server's certificate"));
  tls.pem_key_cert_pairs.push_back(std::move(pair));
  if (options.wants_client_certificate) {
    PENSTOCK_ASSIGN_OR_RETURN(tls.pem_root_certs,
                              read_file(options.root_certificate, "root certificate"));
  }
  return grpc::SslServerCredentials(tls);
}

Result<grpc_compression_level> compression_level(const std::string& name) {
  if (name == "none") return GRPC_COMPRESS_LEVEL_NONE;
  if (name == "low") return GRPC_COMPRESS_LEVEL_LOW;
  if (name == "medium") return GRPC_COMPRESS_LEVEL_MED;
  if (name == "high") return GRPC_COMPRESS_LEVEL_HIGH;
  return Status(
      StatusCode::kInvalidArgument,
      fmt::format("no compression level '{}'; there are none, low, medium and high", name));
}

void set_arguments(const GrpcOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.most_message_bytes));
  builder.SetMaxSendMessageSize(INT32_MAX);
  const auto set = [&](const char* name, int value) { builder.AddChannelArgument(name, value); };
  set(GRPC_ARG_ALLOW_REUSEPORT, options.reuse_port ? 1 : 0);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, options.keepalive_time_ms);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout_ms);
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, options.keepalive_without_calls ? 1 : 0);
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, options.most_pings_without_data);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      options.min_ping_interval_without_data_ms);
  set(GRPC_ARG_HTTP2_MAX_PING_STRIKES, options.most_ping_strikes);
  if (options.most_connection_age_ms > 0) {
    set(GRPC_ARG_MAX_CONNECTION_AGE_MS, options.most_connection_age_ms);
    set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options.connection_age_grace_ms);
  }
  if (options.most_streams_per_connection > 0) {
    set(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.most_streams_per_connection);
  }
}

}  // namespace

struct GrpcFrontEnd::Parts {
  std::vector<PlainMethod> methods = plain_methods();
  RawService service{methods};
  OpenStreams streams;
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  std::vector<CallSite> sites;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<HealthWatch> health;
  std::vector<std::thread> threads;
  std::thread draining;
  int port = 0;
};

Result<std::unique_ptr<GrpcFrontEnd>> GrpcFrontEnd::start(ModelServer& server,
                                                          const GrpcOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto keys, credentials(options));
  PENSTOCK_ASSIGN_OR_RETURN(const grpc_compression_level level,
                            compression_level(options.compression));
  auto parts = std::make_unique<Parts>();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  const bool is_ipv6 = options.address.find(':') != std::string::npos;
  const std::string address =
      fmt::format(fmt::runtime(is_ipv6 ? "[{}]:{}" : "{}:{}"), options.address, options.port);
  builder.AddListeningPort(address, keys, &parts->port);
  builder.RegisterService(&parts->service);
  set_arguments(options, builder);
  for (int i = 0; i < options.threads; ++i) parts->queues.push_back(builder.AddCompletionQueue());
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || parts->port == 0) {
    if (parts->server != nullptr) parts->server->Shutdown();
    for (const auto& queue : parts->queues) queue->Shutdown();
    return Status(StatusCode::kIoError,
                  fmt::format("gRPC cannot listen on {}: is the port taken, or the address not of "
                              "this machine?",
                              address));
  }
  for (const auto& queue : parts->queues) {
    parts->sites.push_back({server, parts->service, *queue, parts->streams, level});
  }
  for (const CallSite& site : parts->sites) {
    for (int i = 0; i < options.calls_at_hand; ++i) wait_for_infer(site);
    wait_for_stream_infer(site);
    for (size_t i = 0; i < parts->methods.size(); ++i) {
      wait_for_plain(site, parts->methods[i], RawService::kFirstPlain + static_cast<int>(i));
    }
  }
  parts->health = std::make_unique<HealthWatch>(server, *parts->server->GetHealthCheckService(),
                                                *parts->queues.front());
  for (const auto& queue : parts->queues) {
    parts->threads.emplace_back([&queue = *queue] {
      void* tag = nullptr;
      bool ok = false;
      while (queue.Next(&tag, &ok)) static_cast<Tag*>(tag)->happened(ok);
    });
  }
  return std::unique_ptr<GrpcFrontEnd>(new GrpcFrontEnd(std::move(parts)));
}

GrpcFrontEnd::GrpcFrontEnd(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

GrpcFrontEnd::~GrpcFrontEnd() {
  begin_drain(std::chrono::milliseconds(0));
  stop();
}

uint16_t GrpcFrontEnd::port() const { return static_cast<uint16_t>(parts_->port); }

void GrpcFrontEnd::begin_drain(std::chrono::milliseconds timeout) {
  if (parts_->draining.joinable() || parts_->threads.empty()) return;
  parts_->health->end();
  parts_->streams.end_soon();
  const auto deadline = std::chrono::system_clock::now() + timeout;
  // Returns when all calls have ended.
  parts_->draining =
      std::thread([&server = *parts_->server, deadline] { server.Shutdown(deadline); });
}

void GrpcFrontEnd::stop() {
  if (parts_->threads.empty()) return;
  begin_drain(std::chrono::milliseconds(0));
  parts_->draining.join();
  for (const auto& queue : parts_->queues) queue->Shutdown();
  for (std::thread& thread : parts_->threads) thread.join();
  parts_->threads.clear();
}

}  // namespace penstock::serve
