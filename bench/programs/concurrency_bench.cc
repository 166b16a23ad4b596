// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// How much more contexts do side by side than one, or by turns:
//   penstock_concurrency_bench [--contexts N] [--seconds S] MODEL.plan
//   penstock_concurrency_bench [--seconds S] --pair FIRST.plan SECOND.plan
#include <fmt/format.h>
#include <penstock/context.h>
#include <penstock/diagnostics.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

namespace penstock {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Where a context's inputs and outputs lie.
enum class Tensors : uint8_t { kOnDevice, kPageLocked };

// A context with random inputs at its first profile's opt shapes, and its stream.
class Worker {
 public:
  static Result<std::unique_ptr<Worker>> create(const Engine& engine, Tensors tensors) {
    PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context());
    PENSTOCK_ASSIGN_OR_RETURN(Stream stream, engine.create_stream());
    std::unique_ptr<Worker> worker(new Worker(std::move(context), std::move(stream)));
    PENSTOCK_RETURN_IF_ERROR(worker->place(engine, tensors));
    for (int i = 0; i < 5; ++i) PENSTOCK_RETURN_IF_ERROR(worker->run());
    return worker;
  }

  Status run() {
    PENSTOCK_RETURN_IF_ERROR(context_.enqueue(stream_));
    return context_.wait();
  }
  Status run_ahead(int count) {
    for (int i = 0; i < count; ++i) PENSTOCK_RETURN_IF_ERROR(context_.enqueue(stream_));
    return context_.wait();
  }
  Status enqueue(int count) {
    for (int i = 0; i < count; ++i) PENSTOCK_RETURN_IF_ERROR(context_.enqueue(stream_));
    return Status::ok();
  }
  Status wait() { return context_.wait(); }

 private:
  Worker(ExecutionContext context, Stream stream)
      : context_(std::move(context)), stream_(std::move(stream)) {}

  Result<void*> take(const Device& device, size_t bytes, const void* content, Tensors tensors) {
    const bool here = device.is_host() || tensors == Tensors::kPageLocked;
    PENSTOCK_ASSIGN_OR_RETURN(Buffer buffer,
                              here ? device.allocate_host(bytes) : device.allocate(bytes));
    if (content != nullptr && here) std::memcpy(buffer.data(), content, bytes);
    if (content != nullptr && !here) {
      PENSTOCK_RETURN_IF_ERROR(device.copy_in(buffer.data(), content, bytes, stream_));
      PENSTOCK_RETURN_IF_ERROR(stream_.synchronize());
    }
    buffers_.push_back(std::move(buffer));
    return buffers_.back().data();
  }

  Status place(const Engine& engine, Tensors tensors) {
    const Device device = engine.device();
    for (const TensorInfo& input : engine.inputs()) {
      const auto& ranges = engine.profile().inputs;
      const auto range = ranges.find(input.name);
      const Tensor tensor =
          random_tensor(input.dtype, range == ranges.end() ? input.shape : range->second.opt, 1);
      PENSTOCK_RETURN_IF_ERROR(context_.set_input_shape(input.name, tensor.shape()));
      PENSTOCK_ASSIGN_OR_RETURN(void* address,
                                take(device, tensor.bytes(), tensor.data(), tensors));
      PENSTOCK_RETURN_IF_ERROR(context_.set_tensor_address(input.name, address));
    }
    for (const TensorInfo& output : engine.outputs()) {
      PENSTOCK_ASSIGN_OR_RETURN(const Shape shape, context_.tensor_shape(output.name));
      if (std::count(shape.begin(), shape.end(), -1) > 0) continue;
      const size_t bytes = static_cast<size_t>(element_count(shape)) * size_of(output.dtype);
      PENSTOCK_ASSIGN_OR_RETURN(void* address, take(device, bytes, nullptr, tensors));
      PENSTOCK_RETURN_IF_ERROR(context_.set_tensor_address(output.name, address));
    }
    return Status::ok();
  }

  ExecutionContext context_;
  Stream stream_;
  std::vector<Buffer> buffers_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

Result<Workers> make_workers(const Engine& engine, int count, Tensors tensors) {
  Workers workers;
  for (int i = 0; i < count; ++i) {
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<Worker> worker, Worker::create(engine, tensors));
    workers.push_back(std::move(worker));
  }
  return workers;
}

// Runs in a second of all together, each worker on a thread of its own; `ahead` runs are enqueued
// before the first of them is waited for.
Result<double> rate(Workers& workers, int ahead, double seconds) {
  std::atomic<int> ready = 0;
  std::vector<int64_t> runs(workers.size());
  std::vector<Status> statuses(workers.size());
  std::vector<std::thread> threads;
  std::atomic<bool> stop = false;
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      ++ready;
      while (ready.load() <= static_cast<int>(workers.size())) std::this_thread::yield();
      while (!stop.load(std::memory_order_relaxed) && statuses[i].is_ok()) {
        statuses[i] = ahead == 1 ? workers[i]->run() : workers[i]->run_ahead(ahead);
        runs[i] += ahead;
      }
    });
  }
  while (ready.load() < static_cast<int>(workers.size())) std::this_thread::yield();
  const Clock::time_point begin = Clock::now();
  ++ready;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const double spent = seconds_since(begin);
  int64_t all = 0;
  for (size_t i = 0; i < workers.size(); ++i) {
    PENSTOCK_RETURN_IF_ERROR(statuses[i]);
    all += runs[i];
  }
  return static_cast<double>(all) / spent;
}

Status scale(const Engine& engine, int contexts, double seconds) {
  struct Way {
    const char* name;
    Tensors tensors;
    int ahead;
  };
  for (const Way& way : {Way{"end to end, each run waited for", Tensors::kPageLocked, 1},
                         Way{"without copies, each run waited for", Tensors::kOnDevice, 1},
                         Way{"without copies, 20 runs ahead", Tensors::kOnDevice, 20}}) {
    double alone = 0;
    for (int count = 1; count <= contexts; count *= 2) {
      PENSTOCK_ASSIGN_OR_RETURN(Workers workers, make_workers(engine, count, way.tensors));
      PENSTOCK_RETURN_IF_ERROR(rate(workers, way.ahead, seconds / 4).status());
      PENSTOCK_ASSIGN_OR_RETURN(const double runs, rate(workers, way.ahead, seconds));
      if (count == 1) alone = runs;
      fmt::print("{}: {} context{}: {:.0f} runs/s, {:.2f}x of one\n", way.name, count,
                 count == 1 ? "" : "s", runs, runs / alone);
    }
  }
  return Status::ok();
}

// Seconds of `count` runs of each worker, side by side.
Result<double> time_of(const Workers& workers, const std::vector<int>& counts) {
  const Clock::time_point begin = Clock::now();
  // In small portions, so that neither stream is empty while the other is filled.
  constexpr int kPortion = 4;
  const int most = *std::max_element(counts.begin(), counts.end());
  std::vector<int> done(workers.size());
  for (int i = 0; i < most; i += kPortion) {
    for (size_t w = 0; w < workers.size(); ++w) {
      const int wanted = static_cast<int>(int64_t{counts[w]} * std::min(i + kPortion, most) / most);
      PENSTOCK_RETURN_IF_ERROR(workers[w]->enqueue(wanted - done[w]));
      done[w] = wanted;
    }
  }
  for (const auto& worker : workers) PENSTOCK_RETURN_IF_ERROR(worker->wait());
  return seconds_since(begin);
}

Status pair(const Engine& first, const Engine& second, double seconds) {
  Workers both;
  std::vector<double> alone;
  for (const Engine* engine : {&first, &second}) {
    PENSTOCK_ASSIGN_OR_RETURN(Workers one, make_workers(*engine, 1, Tensors::kOnDevice));
    PENSTOCK_RETURN_IF_ERROR(time_of(one, {50}).status());
    PENSTOCK_ASSIGN_OR_RETURN(const double spent, time_of(one, {200}));
    alone.push_back(spent / 200);
    both.push_back(std::move(one[0]));
  }
  // As long alone as the other.
  const std::vector<int> counts = {std::max(1, static_cast<int>(seconds / alone[0])),
                                   std::max(1, static_cast<int>(seconds / alone[1]))};
  PENSTOCK_ASSIGN_OR_RETURN(const double together, time_of(both, counts));
  const double by_turns = counts[0] * alone[0] + counts[1] * alone[1];
  fmt::print("{} {:.3f} ms, {} {:.3f} ms alone; both side by side do {:.3f}x the work by turns\n",
             first.model_name(), alone[0] * 1000, second.model_name(), alone[1] * 1000,
             by_turns / together);
  return Status::ok();
}

struct Arguments {
  std::vector<std::string> plans;
  int contexts = 8;
  double seconds = 1;
  bool is_pair = false;
};

Status measure(const Arguments& arguments) {
  PENSTOCK_ASSIGN_OR_RETURN(const Engine first, Engine::load(arguments.plans[0]));
  if (!arguments.is_pair) return scale(first, arguments.contexts, arguments.seconds);
  if (arguments.plans.size() != 2) return {StatusCode::kInvalidArgument, "--pair takes two plans"};
  PENSTOCK_ASSIGN_OR_RETURN(const Engine second, Engine::load(arguments.plans[1]));
  return pair(first, second, arguments.seconds);
}

}  // namespace
}  // namespace penstock

int main(int argc, char** argv) {
  penstock::Arguments arguments;
  CLI::App app("How much more contexts do side by side than one, or by turns");
  app.add_option("plans", arguments.plans, "MODEL.plan, or two with --pair")->required();
  app.add_option("--contexts", arguments.contexts, "As many as this, from 1 by doubling")
      ->check(CLI::Range(1, 64));
  app.add_option("--seconds", arguments.seconds, "Of each measurement");
  app.add_flag("--pair", arguments.is_pair, "Two plans, a context each");
  CLI11_PARSE(app, argc, argv);
  const penstock::Status status = penstock::measure(arguments);
  if (!status.is_ok()) fmt::print(stderr, "error: {}\n", status.message());
  return status.is_ok() ? 0 : 1;
}
