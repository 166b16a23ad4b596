// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <csignal>
#include <future>
#include <memory>
#include <thread>

#include "base/processors.h"
#include "cli/commands.h"
#include "cli/serve_grpc.h"
#include "serve/http/api.h"
#include "serve/http/http_server.h"
#include "serve/log.h"
#include "serve/server.h"

namespace penstock::cli {
namespace {

using serve::ControlMode;
using serve::http::HttpServer;

struct ServeArguments {
  serve::ServerOptions server;
  HttpServer::Options http;
  HttpServer::Options metrics;
  serve::GrpcOptions grpc;
  bool allow_http = true;
  bool allow_grpc = true;
  bool allow_metrics = true;
  int exit_timeout = 30;
  int poll_seconds = 15;
  int64_t http_timeout = 60;
  int64_t idle_timeout = 3600;
  bool json_log = false;
  bool log_info = true;
  int log_verbose = 0;
};

// The signals that end the server, which one thread waits for.
sigset_t ending_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

struct FrontEnds {
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<serve::GrpcFrontEnd> grpc;
  std::unique_ptr<HttpServer> metrics;

  void begin_drain(std::chrono::seconds timeout) {
    if (http != nullptr) http->begin_drain();
    if (grpc != nullptr) grpc->begin_drain(timeout);
  }
};

Result<FrontEnds> start_front_ends(const ServeArguments& arguments, serve::ModelServer& server) {
  FrontEnds ends;
  if (arguments.allow_http) {
    auto api = std::make_unique<serve::http::Api>(server, arguments.http.limits);
    PENSTOCK_ASSIGN_OR_RETURN(ends.http, HttpServer::start(arguments.http, std::move(api)));
    serve::log_info("listening", {{"protocol", "http"},
                                  {"address", arguments.http.address},
                                  {"port", std::to_string(ends.http->port())}});
  }
  if (arguments.allow_grpc) {
    PENSTOCK_ASSIGN_OR_RETURN(ends.grpc, serve::GrpcFrontEnd::start(server, arguments.grpc));
    serve::log_info("listening", {{"protocol", "grpc"},
                                  {"address", arguments.grpc.address},
                                  {"port", std::to_string(ends.grpc->port())}});
  }
  if (arguments.allow_metrics) {
    auto api = std::make_unique<serve::http::MetricsApi>(server);
    PENSTOCK_ASSIGN_OR_RETURN(ends.metrics, HttpServer::start(arguments.metrics, std::move(api)));
    serve::log_info("listening", {{"protocol", "metrics"},
                                  {"address", arguments.metrics.address},
                                  {"port", std::to_string(ends.metrics->port())}});
  }
  return ends;
}

// Until a signal comes, or the models of the start fail and that ends the server.
Status serve_until_signal(const ServeArguments& arguments, serve::ModelServer& server) {
  const sigset_t signals = ending_signals();
  std::future<Status> loaded =
      std::async(std::launch::async, [&server] { return server.wait_until_loaded(); });
  bool is_loaded = false;
  Status failure;
  while (true) {
    constexpr timespec kTurn{0, 100'000'000};
    if (::sigtimedwait(&signals, nullptr, &kTurn) > 0) break;
    if (is_loaded || loaded.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      continue;
    }
    is_loaded = true;
    failure = loaded.get();
    if (!failure.is_ok() && arguments.server.exit_on_error) break;
    serve::log_info(failure.is_ok() ? "all models are ready" : "some models are not available");
    failure = Status::ok();
  }
  server.begin_drain();
  if (loaded.valid()) loaded.wait();
  return failure;
}

int run_serve(ServeArguments arguments) {
  serve::Log& log = serve::Log::shared();
  log.set_format(arguments.json_log ? serve::LogFormat::kJson : serve::LogFormat::kText);
  log.set_on(serve::LogLevel::kInfo, arguments.log_info);
  log.set_on(serve::LogLevel::kVerbose, arguments.log_verbose > 0);
  arguments.server.poll_interval = std::chrono::seconds(arguments.poll_seconds);
  serve::http::Limits& limits = arguments.http.limits;
  limits.body_time = std::chrono::seconds(arguments.http_timeout);
  limits.write_time = limits.body_time;
  limits.idle_time = std::chrono::seconds(arguments.idle_timeout);
  arguments.metrics.limits.body_bytes = 0;
  // Before any thread is made: they inherit it.
  const sigset_t signals = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  Result<std::unique_ptr<serve::ModelServer>> server = serve::ModelServer::create(arguments.server);
  if (!server.is_ok()) return report(server.status());
  Result<FrontEnds> ends = start_front_ends(arguments, **server);
  if (!ends.is_ok()) return report(ends.status());
  const Status ended = serve_until_signal(arguments, **server);
  serve::log_info("ending", {{"in_flight", std::to_string((*server)->requests_in_flight())}});
  const std::chrono::seconds timeout(arguments.exit_timeout);
  ends->begin_drain(timeout);
  const bool is_idle = (*server)->wait_until_idle(timeout);
  if (!is_idle) serve::log_warning("requests are left when --exit-timeout is over");
  // Answers that are complete but not sent yet.
  const auto last = serve::Clock::now() + std::chrono::seconds(is_idle ? 1 : 0);
  while (ends->http != nullptr && ends->http->connections() > 0 && serve::Clock::now() < last) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ends->http.reset();
  ends->grpc.reset();
  ends->metrics.reset();
  if (!ended.is_ok()) return report(ended);
  return 0;
}

void add_repository_options(CLI::App& command, serve::ServerOptions& server,
                            ServeArguments& arguments) {
  command
      .add_option(
          "--model-repository,--model-store", server.repositories,
          "Folder of models: NAME/[config.pbtxt] and NAME/VERSION/model.onnx or model.plan; "
          "may be repeated")
      ->required();
  command.add_option("--server-id,--id", server.server_id, "Name in the server's metadata")
      ->capture_default_str();
  const std::map<std::string, ControlMode> modes = {{"none", ControlMode::kNone},
                                                    {"explicit", ControlMode::kExplicit},
                                                    {"poll", ControlMode::kPoll}};
  command
      .add_option("--model-control-mode", server.control_mode,
                  "none: all models at the start; explicit: --load-model and the API; poll: follow "
                  "changes of the repository")
      ->transform(CLI::CheckedTransformer(modes, CLI::ignore_case));
  command.add_option("--load-model", server.load_models,
                     "Model to load at the start, with control mode explicit; * for all");
  command.add_option("--repository-poll-secs", arguments.poll_seconds, "Seconds between polls")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command
      .add_option("--strict-readiness", server.strict_readiness,
                  "The server is ready only when all models are")
      ->capture_default_str();
  command
      .add_option("--exit-on-error", server.exit_on_error, "End where a model of the start fails")
      ->capture_default_str();
  command.add_flag("--disable-auto-complete-config{false}", server.auto_complete,
                   "Take nothing from the model that config.pbtxt leaves out");
  command.add_option("--model-config-name", server.model_config_name,
                     "Use configs/NAME.pbtxt of each model that has it");
  command
      .add_option("--model-load-thread-count", server.load_threads,
                  "Models that are loaded side by side")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command.add_option("--model-load-retry-count", server.load_retries, "Attempts after the first")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command
      .add_option("--default-max-batch-size", server.default_max_batch_size,
                  "Of models with a batch axis and no configuration")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
}

void add_engine_options(CLI::App& command, serve::ServerOptions& server) {
  command
      .add_option("--device", server.device,
                  "cpu, cuda:N or auto, for instances that do not say theirs")
      ->capture_default_str();
  command.add_option("--plan-cache", server.plan_cache,
                     "Folder for the plans of ONNX models (default: beside each model)");
  command.add_option("--timing-cache", server.timing_cache,
                     "File of measured times (default: beside the plans)");
  command.add_option("--opt-level", server.optimization_level, "Of builds, as in 'penstock build'")
      ->check(CLI::Range(0, 5))
      ->capture_default_str();
  command
      .add_option("--execution-retries", server.execution_retries,
                  "Times that a failed execution is repeated on a fresh context")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  command
      .add_option("--fault-fail-every", server.faults.fail_every,
                  "For tests: every execution of this number fails")
      ->group("Fault injection");
  command
      .add_option("--fault-delay-us", server.faults.delay_us,
                  "For tests: executions take so much longer")
      ->group("Fault injection");
  command
      .add_option("--fault-fail-rebuilds", server.faults.fail_rebuilds,
                  "For tests: so many recreations of each context fail")
      ->group("Fault injection");
}

void add_http_options(CLI::App& command, ServeArguments& arguments) {
  HttpServer::Options& http = arguments.http;
  http.threads = std::clamp(processor_count() / 2, 1, 8);
  arguments.metrics.port = 8002;
  const CLI::Range port(0, 65535);
  command.add_option("--allow-http", arguments.allow_http)->capture_default_str();
  command.add_option("--http-address", http.address)->capture_default_str();
  command.add_option("--http-port", http.port, "0: any free one")
      ->check(port)
      ->capture_default_str();
  command.add_option("--http-thread-count", http.threads, "Threads for connections")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--reuse-http-port", http.reuse_port)->capture_default_str();
  command
      .add_option("--http-max-input-size", http.limits.body_bytes,
                  "Largest body of a request, in bytes, also after decompression")
      ->check(CLI::Range(size_t{1}, size_t{1} << 40))
      ->capture_default_str();
  command
      .add_option("--http-max-header-size", http.limits.header_bytes,
                  "Longest request line and fields, in bytes")
      ->check(CLI::Range(size_t{256}, size_t{1} << 20))
      ->capture_default_str();
  command.add_option("--http-max-connections", http.limits.connections)->capture_default_str();
  command
      .add_option("--http-timeout-secs", arguments.http_timeout,
                  "Seconds without a byte until a connection in the middle of a request is closed")
      ->check(CLI::Range(int64_t{1}, int64_t{86400}))
      ->capture_default_str();
  command
      .add_option("--http-idle-timeout-secs", arguments.idle_timeout,
                  "Seconds until a connection without a request is closed")
      ->check(CLI::Range(int64_t{1}, int64_t{86400}))
      ->capture_default_str();
  command.add_option("--allow-metrics", arguments.allow_metrics)->capture_default_str();
  command.add_option("--metrics-address", arguments.metrics.address)->capture_default_str();
  command.add_option("--metrics-port", arguments.metrics.port, "0: any free one")
      ->check(port)
      ->capture_default_str();
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command = app.add_subcommand(
      "serve",
      "Serve a repository of models over HTTP and gRPC, for clients of Triton Inference Server");
  add_repository_options(*command, arguments->server, *arguments);
  add_engine_options(*command, arguments->server);
  add_http_options(*command, *arguments);
  add_grpc_options(*command, arguments->grpc, arguments->allow_grpc);
  command
      ->add_option("--exit-timeout-secs,--exit-timeout", arguments->exit_timeout,
                   "Seconds that requests under way have after SIGTERM")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
  command->add_option("--log-info", arguments->log_info)->capture_default_str();
  command->add_option("--log-verbose", arguments->log_verbose, "0 or 1")->capture_default_str();
  command->add_flag("--log-json", arguments->json_log, "Log lines as JSON objects");
  command->callback([arguments, &exit_code] { exit_code = run_serve(*arguments); });
}

}  // namespace penstock::cli
