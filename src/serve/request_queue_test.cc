// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/request_queue.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace penstock::serve {
namespace {

using std::chrono::microseconds;

class Request : public InferenceRequest {
 public:
  void complete(InferenceResponse /*response*/) noexcept override {}
};

class RequestQueueTest : public testing::Test {
 protected:
  RequestQueue make(const std::string& config) {
    inference::ModelConfig parsed;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(config, &parsed));
    return RequestQueue(parsed);
  }
  Error push(RequestQueue& queue, const std::string& id, int64_t items = 1, uint64_t priority = 0,
             Shape rest = {4}) {
    auto request = std::make_shared<Request>();
    request->id = id;
    request->priority = priority;
    request->timeout_us = timeout_us_;
    Shape shape = {items};
    shape.insert(shape.end(), rest.begin(), rest.end());
    request->inputs.push_back({"x", DataType::kFloat32, shape, nullptr, 0});
    last_ = request;
    QueuedRequest queued;
    queued.request = std::move(request);
    queued.items = items;
    return queue.push(std::move(queued), now_);
  }
  std::string take(RequestQueue& queue) { return ids(queue.take_batch(now_, again_)); }
  static std::string ids(const std::vector<QueuedRequest>& batch) {
    std::string text;
    for (const QueuedRequest& request : batch) text += request.request->id;
    return text;
  }

  Clock::time_point now_ = Clock::time_point() + std::chrono::hours(1);
  Clock::time_point again_;
  uint64_t timeout_us_ = 0;
  std::shared_ptr<Request> last_;
};

TEST_F(RequestQueueTest, WithoutBatchingRequestsGoOneByOne) {
  RequestQueue queue = make("max_batch_size: 8");
  (void)push(queue, "a");
  (void)push(queue, "b");
  EXPECT_EQ(take(queue), "a");
  EXPECT_EQ(take(queue), "b");
  EXPECT_EQ(take(queue), "");
}

TEST_F(RequestQueueTest, TakesAllThatFitsWithoutADelay) {
  RequestQueue queue = make("max_batch_size: 4 dynamic_batching {}");
  (void)push(queue, "a", 2);
  (void)push(queue, "b", 1);
  (void)push(queue, "c", 2);
  EXPECT_EQ(take(queue), "ab");
  EXPECT_EQ(take(queue), "c");
}

TEST_F(RequestQueueTest, WaitsForMoreUntilTheDelayIsOver) {
  RequestQueue queue =
      make("max_batch_size: 4 dynamic_batching { max_queue_delay_microseconds: 100 }");
  (void)push(queue, "a");
  EXPECT_EQ(take(queue), "");
  EXPECT_EQ(again_, now_ + microseconds(100));
  now_ += microseconds(100);
  EXPECT_EQ(take(queue), "a");
}

TEST_F(RequestQueueTest, AFullOrPreferredBatchDoesNotWait) {
  RequestQueue queue = make(
      "max_batch_size: 4 dynamic_batching { preferred_batch_size: 2 "
      "max_queue_delay_microseconds: 100 }");
  for (const char* id : {"a", "b", "c"}) (void)push(queue, id);
  EXPECT_EQ(take(queue), "ab");
  EXPECT_EQ(take(queue), "");
  for (const char* id : {"d", "e", "f"}) (void)push(queue, id);
  EXPECT_EQ(take(queue), "cdef");
}

TEST_F(RequestQueueTest, OtherShapesAreAnotherBatch) {
  RequestQueue queue = make("max_batch_size: 4 dynamic_batching {}");
  (void)push(queue, "a");
  (void)push(queue, "b", 1, 0, {5});
  (void)push(queue, "c");
  EXPECT_EQ(take(queue), "ac");
  EXPECT_EQ(take(queue), "b");
}

TEST_F(RequestQueueTest, OrderIsKeptWhereItIsAskedFor) {
  RequestQueue queue = make("max_batch_size: 4 dynamic_batching { preserve_ordering: true }");
  (void)push(queue, "a");
  (void)push(queue, "b", 1, 0, {5});
  (void)push(queue, "c");
  EXPECT_EQ(take(queue), "a");
  EXPECT_EQ(take(queue), "b");
}

TEST_F(RequestQueueTest, UrgentRequestsGoFirst) {
  RequestQueue queue =
      make("max_batch_size: 2 dynamic_batching { priority_levels: 3 default_priority_level: 2 }");
  (void)push(queue, "low", 1, 3);
  (void)push(queue, "default");
  (void)push(queue, "high", 1, 1);
  (void)push(queue, "beyond", 1, 9);
  EXPECT_EQ(take(queue), "highdefault");
  EXPECT_EQ(take(queue), "beyondlow");
}

TEST_F(RequestQueueTest, AFullQueueRefuses) {
  RequestQueue queue =
      make("max_batch_size: 2 dynamic_batching { default_queue_policy { max_queue_size: 1 } }");
  EXPECT_TRUE(push(queue, "a").is_ok());
  const Error error = push(queue, "b");
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(error.reason(), FailureReason::kRejected);
  EXPECT_EQ(queue.size(), 1U);
}

TEST_F(RequestQueueTest, TimeoutsRejectAndClientsMayShortenThem) {
  RequestQueue queue = make(
      "max_batch_size: 2 dynamic_batching { max_queue_delay_microseconds: 1000000 "
      "default_queue_policy { default_timeout_microseconds: 100 allow_timeout_override: true } }");
  (void)push(queue, "a");
  timeout_us_ = 50;
  (void)push(queue, "b", 2);
  timeout_us_ = 500;
  (void)push(queue, "c", 2);
  EXPECT_EQ(ids(queue.take_expired(now_ + microseconds(49))), "");
  EXPECT_EQ(ids(queue.take_expired(now_ + microseconds(50))), "b");
  EXPECT_EQ(queue.next_timeout(), now_ + microseconds(100));
  EXPECT_EQ(ids(queue.take_expired(now_ + microseconds(100))), "ac");
  EXPECT_EQ(queue.size(), 0U);
}

TEST_F(RequestQueueTest, DelayedRequestsGoBehindAllOthers) {
  RequestQueue queue = make(
      "max_batch_size: 1 dynamic_batching { default_queue_policy { timeout_action: DELAY "
      "default_timeout_microseconds: 100 } }");
  (void)push(queue, "a");
  now_ += microseconds(200);
  (void)push(queue, "b");
  EXPECT_EQ(ids(queue.take_expired(now_)), "");
  EXPECT_EQ(take(queue), "b");
  EXPECT_EQ(take(queue), "a");
}

TEST_F(RequestQueueTest, CancelledRequestsLeave) {
  RequestQueue queue = make("max_batch_size: 4 dynamic_batching {}");
  (void)push(queue, "a");
  last_->cancel();
  (void)push(queue, "b");
  EXPECT_EQ(ids(queue.take_cancelled()), "a");
  EXPECT_EQ(take(queue), "b");
}

}  // namespace
}  // namespace penstock::serve
