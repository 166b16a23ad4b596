// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// A request for inference and its response, as every front end has them: no bytes of any protocol.
#pragma once

#include <penstock/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/wire_types.h"
#include "serve/error.h"

namespace penstock::serve {

using Clock = std::chrono::steady_clock;

// A tensor in memory that somebody else holds: row-major, at least element-aligned; elements of
// strings are StringRef, whatever a protocol has.
struct TensorView {
  std::string name;
  DataType dtype = DataType::kUndefined;
  Shape shape;  // whole, with the batch axis
  const void* data = nullptr;
  size_t bytes = 0;  // element_count(shape) * size_of(dtype)
};

using Parameter = std::variant<bool, int64_t, uint64_t, double, std::string>;
using Parameters = std::map<std::string, Parameter>;

struct RequestedOutput {
  std::string name;
  // More than 0: the most probable so many, as strings "value:index[:label]" in place of the
  // tensor.
  uint32_t classes = 0;
};

struct InferenceResponse {
  Error error;  // where it is one, the rest but the id is empty
  std::string model_name;
  std::string model_version;
  std::string id;
  Parameters parameters;
  std::vector<TensorView> outputs;  // in the order in which they were requested
  // Keeps what the outputs view alive; shared with the responses of the same batch.
  std::shared_ptr<const void> memory;
};

// Who has a request in hand, and is told that its client has left.
class CancellationListener {
 public:
  virtual ~CancellationListener() = default;
  virtual void request_cancelled() = 0;
};

// One request. A front end derives from it, keeps what the inputs view in the derived object, and
// hands a shared pointer to ModelServer::infer(); then it touches nothing but cancel().
class InferenceRequest {
 public:
  virtual ~InferenceRequest() = default;

  // Called exactly once, on any thread, on the caller's before infer() returns too: must not block.
  // An exception of it ends the process.
  virtual void complete(InferenceResponse response) noexcept = 0;

  // The client has left, or does not want the answer any more: from any thread, any number of
  // times. complete() comes with kCancelled soon, or with the answer where it was too late.
  void cancel();
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  std::string model_name;
  std::string model_version;  // empty: the one that the version policy prefers
  std::string id;
  std::vector<TensorView> inputs;
  std::vector<RequestedOutput> outputs;  // empty: all
  // Those of the request that are not below.
  Parameters parameters;
  uint64_t priority = 0;    // 1 is the highest; 0: the model's default
  uint64_t timeout_us = 0;  // in the queue; 0: the model's default
  // No answer is of use after this point (a gRPC deadline): the time that retries may take.
  Clock::time_point deadline = Clock::time_point::max();
  // A number or a string; the empty string and 0 are none.
  std::variant<uint64_t, std::string> sequence_id = uint64_t{0};
  bool sequence_start = false;
  bool sequence_end = false;
  // For logs and traces: W3C's traceparent, as it came.
  std::string trace_parent;
  // When its first byte was here.
  Clock::time_point arrival = Clock::now();

 private:
  friend class ModelServer;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::weak_ptr<CancellationListener> listener_;  // guarded by mutex_
};

// Strings as they come on the wire, 4 bytes of length (little endian) and the characters, `count`
// times; the result views `bytes`. An error says what is wrong with them.
Answer<std::vector<StringRef>> parse_strings(std::string_view bytes, int64_t count);
// The bytes that `strings` take on the wire, and the bytes themselves, appended.
size_t serialized_size(const TensorView& strings);
void serialize_strings(const TensorView& strings, std::string& bytes);

}  // namespace penstock::serve
