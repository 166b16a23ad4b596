// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/diagnostics.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include "base/names.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/npy.h"
#include "cli/progress.h"
#include "cli/shapes.h"
#include "load/arrivals.h"

namespace penstock::cli {
namespace {

constexpr uint64_t kMostVariantBytes = uint64_t{64} << 20;
constexpr int kOpenConcurrency = 128;

struct LoadArguments {
  std::string url;
  load::ModelName model;
  std::vector<std::string> inputs;
  std::string shapes;
  int64_t batch = 1;
  int variants = 16;
  std::string format = "binary";
  std::string method;
  std::string path;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::string> headers;
  int concurrency = 0;
  std::string arrivals = "poisson";
  std::vector<double> percentiles = {50, 90, 95, 99, 99.9};
  load::RunSettings settings;
  bool json = false;
  bool quiet = false;
};

Status wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

Status add_headers(const std::vector<std::string>& texts, load::Target& target) {
  for (const std::string& text : texts) {
    const size_t colon = text.find(':');
    if (colon == 0 || colon == std::string::npos ||
        text.find_first_of("\r\n") != std::string::npos) {
      return wrong(fmt::format("--header '{}'; give 'NAME: VALUE'", text));
    }
    std::string name = text.substr(0, colon);
    // HTTP/2 has names in lower case only, HTTP/1.1 does not care.
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const size_t value = text.find_first_not_of(' ', colon + 1);
    target.headers.emplace_back(name, value == std::string::npos ? "" : text.substr(value));
  }
  return Status::ok();
}

// The shape for random data: what --shapes says, else the model's, with the batch in front.
Result<Shape> shape_of(const TensorInfo& info, const std::map<std::string, Shape>& shapes,
                       int64_t batch) {
  if (const auto given = shapes.find(info.name); given != shapes.end()) return given->second;
  Shape shape = info.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= 0) continue;
    if (i > 0) {
      return wrong(fmt::format("input '{}' has the shape {}: say which with --shapes {}:{}",
                               info.name, to_string(info.shape), info.name, "1x..."));
    }
    shape[i] = batch;
  }
  return shape;
}

struct Sources {
  std::map<std::string, std::string> files;
  std::map<std::string, Shape> shapes;
};

Result<Sources> sources_of(const LoadArguments& arguments,
                           const load::ModelDescription& description) {
  std::vector<std::string> known;
  for (const TensorInfo& info : description.inputs) known.push_back(info.name);
  const auto check = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end()
               ? Status::ok()
               : wrong(fmt::format("the model has no input '{}'; {}", name, suggest(name, known)));
  };
  Sources sources;
  PENSTOCK_ASSIGN_OR_RETURN(sources.shapes, parse_shapes(arguments.shapes));
  for (const auto& [name, shape] : sources.shapes) PENSTOCK_RETURN_IF_ERROR(check(name));
  for (const std::string& text : arguments.inputs) {
    const size_t equals = text.rfind('=');
    if (equals == 0 || equals == std::string::npos) {
      return wrong(fmt::format("--input '{}'; give NAME=FILE.npy or NAME=random", text));
    }
    const std::string name = text.substr(0, equals);
    PENSTOCK_RETURN_IF_ERROR(check(name));
    if (text.substr(equals + 1) != "random") sources.files[name] = text.substr(equals + 1);
  }
  return sources;
}

Result<std::map<std::string, Tensor>> tensors_for(const load::ModelDescription& description,
                                                  const Sources& sources, int64_t batch,
                                                  uint64_t seed) {
  std::map<std::string, Tensor> tensors;
  for (const TensorInfo& info : description.inputs) {
    if (const auto file = sources.files.find(info.name); file != sources.files.end()) {
      PENSTOCK_ASSIGN_OR_RETURN(Tensor tensor, read_npy(file->second, info.dtype));
      if (tensor.dtype() != info.dtype) {
        return wrong(fmt::format("'{}' holds {}, input '{}' takes {}", file->second,
                                 to_string(tensor.dtype()), info.name, to_string(info.dtype)));
      }
      tensors.emplace(info.name, std::move(tensor));
      continue;
    }
    PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, shape_of(info, sources.shapes, batch));
    tensors.emplace(info.name, random_tensor(info.dtype, shape, seed + tensors.size()));
  }
  return tensors;
}

Result<std::vector<load::Request>> inference_requests(const load::Target& target,
                                                      const LoadArguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const auto description,
      load::describe_model(target, arguments.model, arguments.settings.timeout_s));
  PENSTOCK_ASSIGN_OR_RETURN(const Sources sources, sources_of(arguments, description));
  const bool all_given = sources.files.size() == description.inputs.size();
  const auto format =
      arguments.format == "json" ? load::TensorFormat::kJson : load::TensorFormat::kBinary;
  std::vector<load::Request> requests;
  uint64_t bytes = 0;
  for (int i = 0; i < (all_given ? 1 : arguments.variants) && bytes < kMostVariantBytes; ++i) {
    const uint64_t seed = arguments.settings.seed + static_cast<uint64_t>(i) * 1000;
    PENSTOCK_ASSIGN_OR_RETURN(const auto tensors,
                              tensors_for(description, sources, arguments.batch, seed));
    PENSTOCK_ASSIGN_OR_RETURN(load::Request request,
                              load::inference_request(target, arguments.model, tensors, format));
    bytes += request.body.size();
    requests.push_back(std::move(request));
  }
  return requests;
}

Result<std::vector<load::Request>> path_request(const load::Target& target,
                                                const LoadArguments& arguments) {
  if (target.protocol != load::Protocol::kHttp) return wrong("--path is for HTTP targets");
  if (arguments.path.empty() || arguments.path[0] != '/' ||
      arguments.path.find_first_of(" \r\n") != std::string::npos) {
    return wrong(
        fmt::format("--path '{}'; a path begins with / and has no spaces", arguments.path));
  }
  std::string body;
  if (!arguments.body.empty()) {
    std::ifstream file(arguments.body, std::ios::binary);
    if (!file) return Status(StatusCode::kNotFound, "cannot read '" + arguments.body + "'");
    body.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::string method = !arguments.method.empty() ? arguments.method
                             : arguments.body.empty()  ? "GET"
                                                       : "POST";
  return std::vector<load::Request>{load::http_request(
      target, method, arguments.path, body.empty() ? "" : arguments.content_type, std::move(body))};
}

Status choose_loop(LoadArguments& arguments) {
  load::RunSettings& settings = arguments.settings;
  if (arguments.arrivals == "poisson" || arguments.arrivals == "constant") {
    settings.loop = settings.rate <= 0                ? load::Loop::kClosed
                    : arguments.arrivals == "poisson" ? load::Loop::kPoisson
                                                      : load::Loop::kConstant;
  } else {
    if (settings.rate > 0) return wrong("--rate and a file of arrivals: give one of them");
    PENSTOCK_ASSIGN_OR_RETURN(auto times, load::read_arrivals(arguments.arrivals));
    settings.times = std::make_shared<const std::vector<uint64_t>>(std::move(times));
    settings.loop = load::Loop::kRecorded;
    settings.warmup_s = 0;  // every recorded request counts
  }
  const bool closed = settings.loop == load::Loop::kClosed;
  settings.concurrency = arguments.concurrency > 0 ? arguments.concurrency
                         : closed                  ? 1
                                                   : kOpenConcurrency;
  settings.threads = std::min(settings.threads, settings.concurrency);
  if (settings.requests > 0) {
    settings.threads =
        static_cast<int>(std::min(static_cast<uint64_t>(settings.threads), settings.requests));
  }
  return Status::ok();
}

Status run_load(LoadArguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(load::Target target, load::resolve(arguments.url));
  PENSTOCK_RETURN_IF_ERROR(add_headers(arguments.headers, target));
  if (arguments.model.name.empty() == arguments.path.empty()) {
    return wrong("say what to send: --model NAME, or --path /PATH for other HTTP requests");
  }
  PENSTOCK_RETURN_IF_ERROR(choose_loop(arguments));
  const bool is_model = arguments.path.empty();
  PENSTOCK_ASSIGN_OR_RETURN(const auto requests, is_model ? inference_requests(target, arguments)
                                                          : path_request(target, arguments));
  LoadDescription description;
  description.target = target.text;
  description.what = is_model ? "model " + arguments.model.name : arguments.path;
  description.format =
      target.protocol == load::Protocol::kGrpc ? "grpc" : "http " + arguments.format;
  description.percentiles = arguments.percentiles;
  description.request_bytes = requests.front().body.size();

  catch_interrupts();
  Result<load::Snapshot> result = Status(StatusCode::kInternal, "");
  {
    LoadView view(description, arguments.settings, arguments.quiet);
    result = load::run(target, requests, arguments.settings, interrupted,
                       [&](const load::Snapshot& snapshot) { view.update(snapshot); });
  }
  if (!result.is_ok()) return result.status();
  if (arguments.json) {
    fmt::print("{}\n", load_report_json(description, arguments.settings, *result));
  } else {
    print_load_report(description, arguments.settings, *result);
  }
  if (result->latency.count() > 0) return Status::ok();
  if (result->failures.empty()) {
    return {StatusCode::kCancelled,
            "nothing to report: every request was sent before the warm-up ended; raise --duration"};
  }
  const auto& [reason, entry] = *result->failures.begin();
  return {StatusCode::kIoError, fmt::format("no request succeeded: {}{}", reason,
                                            entry.detail.empty() ? "" : ": " + entry.detail)};
}

void add_request_options(CLI::App& command, LoadArguments& arguments) {
  command.add_option("-m,--model", arguments.model.name, "Model to send inference requests to");
  command.add_option("--model-version", arguments.model.version,
                     "Its version (default: the server's choice)");
  command.add_option("-i,--input", arguments.inputs,
                     "NAME=FILE.npy or NAME=random (default: random)");
  command.add_option("--shapes", arguments.shapes,
                     "Shapes of random inputs: NAME:1x3x224x224[,...]");
  command.add_option("-b,--batch", arguments.batch, "First extent of inputs that leave it open")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--format", arguments.format, "binary or json: tensors over HTTP")
      ->check(CLI::IsMember({"binary", "json"}))
      ->capture_default_str();
  command.add_option("--variants", arguments.variants, "Different random requests, sent in turn")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command.add_option("--seed", arguments.settings.seed, "Seed of random inputs and arrivals");
  command.add_option("-H,--header", arguments.headers, "'NAME: VALUE', sent with every request");
  command.add_option("--path", arguments.path, "Send any HTTP request, to this path, instead");
  command.add_option("--body", arguments.body, "File with that request's body");
  command.add_option("--method", arguments.method,
                     "Its method (default: POST with a body, else GET)");
  command.add_option("--content-type", arguments.content_type, "Of that body")
      ->capture_default_str();
}

void add_load_options(CLI::App& command, LoadArguments& arguments) {
  load::RunSettings& settings = arguments.settings;
  command
      .add_option("-c,--concurrency", arguments.concurrency,
                  "Requests in flight (default: 1; with --rate or recorded arrivals at most 128)")
      ->check(CLI::Range(1, 50000));
  command.add_option("-r,--rate", settings.rate, "Open loop: requests a second")
      ->check(CLI::Range(0.001, 1e8));
  command
      .add_option("--arrivals", arguments.arrivals,
                  "Open loop: poisson, constant, or a file with a time in seconds per line")
      ->capture_default_str();
  command.add_option("-d,--duration", settings.duration_s, "Seconds to measure")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  command.add_option("--warmup", settings.warmup_s, "Seconds of the same load before, not counted")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command.add_option("-n,--requests", settings.requests, "End after so many requests, if sooner");
  command.add_option("--timeout", settings.timeout_s, "Seconds after which a request has failed")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  command.add_option("--threads", settings.threads, "Threads that send")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command.add_option("--streams", settings.streams, "gRPC: calls in flight on one connection")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command.add_option("--percentile", arguments.percentiles, "Percentiles to report")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command.add_flag("--json", arguments.json, "The report as JSON");
  command.add_flag("-q,--quiet", arguments.quiet, "No view of how it goes");
}

}  // namespace

void add_load_command(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<LoadArguments>();
  CLI::App* command = app.add_subcommand(
      "load", "Send requests to a KServe v2 or Triton server, and measure how it answers");
  command->add_option("url", arguments->url, "http://HOST:PORT or grpc://HOST:PORT (8000 and 8001)")
      ->required();
  add_request_options(*command, *arguments);
  add_load_options(*command, *arguments);
  command->callback([arguments, &exit_code] {
    const Status status = run_load(*arguments);
    exit_code = status.is_ok() ? 0 : report(status);
  });
}

}  // namespace penstock::cli
