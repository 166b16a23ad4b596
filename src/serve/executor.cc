// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "serve/classification.h"
#include "serve/log.h"

namespace penstock::serve {
namespace {

uint64_t nanoseconds(Clock::duration duration) {
  return static_cast<uint64_t>(
      std::max<int64_t>(0, std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count()));
}

int64_t count_items(const std::vector<QueuedRequest>& batch) {
  int64_t items = 0;
  for (const QueuedRequest& request : batch) items += request.items;
  return items;
}

// The part of a tensor that belongs to some of its batch.
void slice(TensorView& tensor, int64_t first, int64_t items, int64_t all) {
  const size_t each = tensor.bytes / static_cast<size_t>(all);
  tensor.data = static_cast<const std::byte*>(tensor.data) + static_cast<size_t>(first) * each;
  tensor.bytes = each * static_cast<size_t>(items);
  tensor.shape[0] = items;
}

Error backend_error(const Status& status) {
  // What went wrong with the request is the client's; all else says that it was not.
  Error error(status);
  if (status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kCancelled) {
    return error;
  }
  return {error.code(), status.message(), FailureReason::kBackend};
}

}  // namespace

Result<ExecutionResult> Executor::run(Instance& instance,
                                      std::span<InferenceRequest* const> requests) const {
  try {
    return instance.run(requests);
  } catch (const std::bad_alloc&) {
    return Status(StatusCode::kOutOfMemory, "no memory for this execution");
  }
}

std::vector<Finished> Executor::execute(Instance& instance, std::vector<QueuedRequest> batch,
                                        uint64_t& compute_ns) const {
  std::vector<Finished> finished;
  finished.reserve(batch.size());
  std::vector<InferenceRequest*> requests;
  requests.reserve(batch.size());
  for (const QueuedRequest& request : batch) requests.push_back(request.request.get());
  for (int attempt = 0;; ++attempt) {
    const auto begin = Clock::now();
    const Result<ExecutionResult> result = run(instance, requests);
    if (result.is_ok()) {
      compute_ns = result->times.compute;
      respond(std::move(batch), *result, begin, finished);
      return finished;
    }
    const Status status = result.status();
    const bool is_fault =
        status.code() != StatusCode::kInvalidArgument && status.code() != StatusCode::kCancelled;
    if (is_fault) {
      log_warning("execution failed", {{"model", facts_.interface.name},
                                       {"version", facts_.version},
                                       {"error", status.message()}});
      statistics_.add_rebuild();
      if (const Status rebuilt = instance.rebuild(); !rebuilt.is_ok()) {
        log_error("a context could not be recreated",
                  {{"model", facts_.interface.name}, {"error", rebuilt.message()}});
      }
    }
    // One request must not take down the others of its batch.
    if (batch.size() > 1) {
      run_apart(instance, std::move(batch), finished);
      return finished;
    }
    if (!is_fault || !may_retry(status, batch, attempt)) {
      for (QueuedRequest& request : batch) {
        finished.push_back(refuse(std::move(request), backend_error(status)));
      }
      return finished;
    }
    statistics_.add_retry();
  }
}

void Executor::run_apart(Instance& instance, std::vector<QueuedRequest> batch,
                         std::vector<Finished>& finished) const {
  for (QueuedRequest& request : batch) {
    if (request.request->is_cancelled()) {
      finished.push_back(
          refuse(std::move(request),
                 {ErrorCode::kCancelled, "the request was cancelled", FailureReason::kCancelled}));
      continue;
    }
    std::vector<QueuedRequest> one;
    one.push_back(std::move(request));
    uint64_t ignored = 0;
    for (Finished& single : execute(instance, std::move(one), ignored)) {
      finished.push_back(std::move(single));
    }
  }
}

bool Executor::may_retry(const Status& status, const std::vector<QueuedRequest>& batch,
                         int attempt) const {
  if (attempt >= facts_.retries || status.code() == StatusCode::kDeviceLost) return false;
  return batch[0].request->deadline > Clock::now() && !batch[0].request->is_cancelled();
}

InferenceResponse Executor::failure(const InferenceRequest& request, Error error) const {
  InferenceResponse response;
  response.id = request.id;
  response.error = std::move(error);
  return response;
}

Finished Executor::refuse(QueuedRequest request, Error error) const {
  statistics_.add_failure(nanoseconds(Clock::now() - request.request->arrival), error.reason());
  InferenceResponse response = failure(*request.request, std::move(error));
  return {std::move(request.request), std::move(response)};
}

void Executor::respond(std::vector<QueuedRequest> batch, const ExecutionResult& result,
                       Clock::time_point begin, std::vector<Finished>& finished) const {
  const int64_t all_items = count_items(batch);
  statistics_.add_execution(static_cast<uint64_t>(all_items), result.times);
  const auto now = Clock::now();
  int64_t first = 0;
  for (QueuedRequest& request : batch) {
    InferenceResponse answer = response(request, result, first, all_items);
    first += request.items;
    const uint64_t total = nanoseconds(now - request.request->arrival);
    if (answer.error.is_ok()) {
      statistics_.add_success(static_cast<uint64_t>(request.items), total,
                              nanoseconds(begin - request.enqueued), result.times);
    } else {
      statistics_.add_failure(total, answer.error.reason());
    }
    finished.push_back({std::move(request.request), std::move(answer)});
  }
}

InferenceResponse Executor::response(const QueuedRequest& queued, const ExecutionResult& result,
                                     int64_t first_item, int64_t all_items) const {
  const InferenceRequest& request = *queued.request;
  const ModelInterface& interface = facts_.interface;
  InferenceResponse response;
  response.model_name = interface.name;
  response.model_version = facts_.version;
  response.id = request.id;
  response.memory = result.memory;
  response.outputs.reserve(request.outputs.size());
  for (const RequestedOutput& wanted : request.outputs) {
    const auto found = std::find_if(interface.outputs.begin(), interface.outputs.end(),
                                    [&](const TensorInfo& o) { return o.name == wanted.name; });
    const auto place = static_cast<size_t>(found - interface.outputs.begin());
    TensorView tensor = result.outputs[facts_.output_order[place]];
    tensor.name = wanted.name;
    if (interface.max_batch_size > 0) {
      if (tensor.shape.empty() || tensor.shape[0] != all_items) {
        return failure(request, {ErrorCode::kInternal,
                                 fmt::format("output '{}' has the shape {} for a batch of {}",
                                             wanted.name, to_string(tensor.shape), all_items),
                                 FailureReason::kBackend});
      }
      slice(tensor, first_item, queued.items, all_items);
    }
    if (wanted.classes > 0) {
      std::shared_ptr<const void> texts;
      Answer<TensorView> classified = classify(tensor, wanted.classes, interface.max_batch_size > 0,
                                               facts_.labels[place], texts);
      if (!classified.is_ok()) return failure(request, classified.status());
      tensor = *std::move(classified);
      using Both = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
      response.memory = std::make_shared<Both>(std::move(response.memory), std::move(texts));
    }
    response.outputs.push_back(std::move(tensor));
  }
  return response;
}

}  // namespace penstock::serve
