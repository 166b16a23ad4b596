// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "serve/instance.h"
#include "serve/request_check.h"
#include "serve/request_queue.h"
#include "serve/statistics.h"

namespace penstock::serve {

// A request and what it is answered with.
struct Finished {
  std::shared_ptr<InferenceRequest> request;
  InferenceResponse response;
};

// Runs batches on instances: retries what failed on a fresh context, and makes responses.
class Executor {
 public:
  struct Facts {
    ModelInterface interface;
    std::string version;
    std::vector<size_t> output_order;  // place in the engine of each output of the interface
    std::vector<std::vector<std::string>> labels;  // of each output; empty: none
    int retries = 1;
  };

  Executor(Facts facts, Statistics& statistics)
      : facts_(std::move(facts)), statistics_(statistics) {}

  const Facts& facts() const { return facts_; }

  // Answers of all of the batch, in its order. `compute_ns` is what the execution took.
  std::vector<Finished> execute(Instance& instance, std::vector<QueuedRequest> batch,
                                uint64_t& compute_ns) const;
  // The answer to a request that was not executed.
  Finished refuse(QueuedRequest request, Error error) const;

 private:
  Result<ExecutionResult> run(Instance& instance,
                              std::span<InferenceRequest* const> requests) const;
  void run_apart(Instance& instance, std::vector<QueuedRequest> batch,
                 std::vector<Finished>& finished) const;
  bool may_retry(const Status& status, const std::vector<QueuedRequest>& batch, int attempt) const;
  InferenceResponse failure(const InferenceRequest& request, Error error) const;
  void respond(std::vector<QueuedRequest> batch, const ExecutionResult& result,
               Clock::time_point begin, std::vector<Finished>& finished) const;
  InferenceResponse response(const QueuedRequest& request, const ExecutionResult& result,
                             int64_t first_item, int64_t all_items) const;

  const Facts facts_;
  Statistics& statistics_;
};

}  // namespace penstock::serve
