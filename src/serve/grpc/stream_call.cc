// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <grpcpp/support/proto_buffer_reader.h>

#include <deque>
#include <mutex>

#include "serve/grpc/calls.h"
#include "serve/grpc/request.h"

namespace penstock::serve {
namespace {

// Requests of one stream that are not answered yet: more are not read.
constexpr size_t kMostPending = 256;

// A call of ModelStreamInfer: requests run side by side, their responses go out in their order. All
// that is asked of gRPC is counted; when nothing is outstanding any more, the call lets go of
// itself.
class StreamCall : public OpenStream, public std::enable_shared_from_this<StreamCall> {
 public:
  explicit StreamCall(const CallSite& site) : site_(site), stream_(&context_) {}

  void begin() {
    self_ = shared_from_this();
    context_.AsyncNotifyWhenDone(&ended_tag_);
    site_.service.wait_for_stream(context_, stream_, site_.queue, came_tag_);
  }

  void end_soon() override {
    const Lock lock(*this);
    is_ending_ = true;
    no_more_requests_ = true;
    go_on();
  }

 private:
  class Request : public InferenceRequest {
   public:
    explicit Request(std::shared_ptr<StreamCall> call) : call_(std::move(call)) {}
    void complete(InferenceResponse response) noexcept override {
      call_->completed(*this, std::move(response));
    }

   private:
    friend class StreamCall;
    std::shared_ptr<StreamCall> call_;
    RequestMemory memory_;
    bool is_complete_ = false;  // guarded by the call's mutex, as is the response
    InferenceResponse response_;
  };

  // The mutex, held. What is to be cancelled is so after it was given back, since requests may
  // complete on the thread that cancels them.
  class Lock {
   public:
    explicit Lock(StreamCall& call) : call_(call.shared_from_this()), lock_(call.mutex_) {}
    ~Lock() {
      const std::vector<std::shared_ptr<Request>> gone = std::move(call_->to_cancel_);
      call_->to_cancel_.clear();
      const std::shared_ptr<StreamCall> last =
          call_->finishing_ && call_->outstanding_ == 0 ? std::move(call_->self_) : nullptr;
      lock_.unlock();
      for (const auto& request : gone) request->cancel();
    }

   private:
    std::shared_ptr<StreamCall> call_;
    std::unique_lock<std::mutex> lock_;
  };

  void came(bool ok) {
    if (!ok) {
      self_.reset();
      return;
    }
    wait_for_stream_infer(site_);
    real_statuses_ = header_of(context_, "triton_grpc_error") == "true";
    trace_parent_ = header_of(context_, "traceparent");
    if (site_.compression != GRPC_COMPRESS_LEVEL_NONE) {
      context_.set_compression_level(site_.compression);
    }
    {
      const Lock lock(*this);
      outstanding_ = 1;  // the end
      read();
    }
    site_.streams.add(shared_from_this());
  }

  // Tags and completed() take the mutex; all others are called with it held.
  void read() {
    reading_ = true;
    ++outstanding_;
    stream_.Read(&message_, &read_tag_);
  }

  void has_read(bool ok) {
    std::shared_ptr<Request> request;
    Error error;
    if (ok) {
      request = std::make_shared<Request>(shared_from_this());
      request->deadline = deadline_of(context_);
      request->trace_parent = trace_parent_;
      grpc::ProtoBufferReader reader(&message_);
      error = read_request(reader, message_.Length(), request->memory_, *request);
      message_.Clear();
    }
    {
      const Lock lock(*this);
      reading_ = false;
      if (ok && !finishing_ && !no_more_requests_) {
        pending_.push_back(request);
        if (pending_.size() < kMostPending) read();
      } else {
        no_more_requests_ = true;
        request.reset();
      }
    }
    if (request != nullptr && error.is_ok()) {
      site_.server.infer(request);
    } else if (request != nullptr) {
      InferenceResponse response;
      response.id = request->id;
      response.error = error;
      request->complete(std::move(response));
    }
    happened();
  }

  void completed(Request& request, InferenceResponse response) {
    const Lock lock(*this);
    request.response_ = std::move(response);
    request.is_complete_ = true;
    go_on();
  }

  void has_written(bool ok) {
    {
      const Lock lock(*this);
      writing_ = false;
      if (!ok) cancel_all();
    }
    happened();
  }

  // The client has everything, or left.
  void ended(bool) {
    if (context_.IsCancelled()) {
      const Lock lock(*this);
      is_cancelled_ = true;
      cancel_all();
    }
    happened();
  }

  void has_finished(bool) { happened(); }

  // After each tag.
  void happened() {
    const Lock lock(*this);
    --outstanding_;
    go_on();
  }

  // Writes the next response if it is there; finishes when there is nothing left.
  void go_on() {
    if (writing_ || finishing_) return;
    while (!pending_.empty() && pending_.front()->is_complete_) {
      const std::shared_ptr<Request> request = pending_.front();
      pending_.pop_front();
      if (!no_more_requests_ && !reading_ && pending_.size() < kMostPending) read();
      if (is_cancelled_) continue;  // nobody listens
      const InferenceResponse& response = request->response_;
      if (!response.error.is_ok() && real_statuses_) return finish(to_grpc(response.error));
      writing_ = true;
      ++outstanding_;
      stream_.Write(to_buffer(write_response(response, {.in_stream = true}), response.memory),
                    &written_tag_);
      return;
    }
    if (pending_.empty() && (no_more_requests_ || is_cancelled_)) {
      finish(is_ending_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down")
                        : grpc::Status::OK);
    }
  }

  void finish(const grpc::Status& status) {
    finishing_ = true;
    cancel_all();
    pending_.clear();
    ++outstanding_;
    stream_.Finish(status, &finished_tag_);
  }

  void cancel_all() {
    for (const auto& request : pending_) {
      if (!request->is_complete_) to_cancel_.push_back(request);
    }
  }

  const CallSite& site_;
  grpc::ServerContext context_;
  RawService::Stream stream_;
  grpc::ByteBuffer message_;
  MemberTag<StreamCall> came_tag_{*this, &StreamCall::came};
  MemberTag<StreamCall> read_tag_{*this, &StreamCall::has_read};
  MemberTag<StreamCall> written_tag_{*this, &StreamCall::has_written};
  MemberTag<StreamCall> finished_tag_{*this, &StreamCall::has_finished};
  MemberTag<StreamCall> ended_tag_{*this, &StreamCall::ended};
  bool real_statuses_ = false;
  std::string trace_parent_;

  std::mutex mutex_;  // guards all below
  std::deque<std::shared_ptr<Request>> pending_;
  std::vector<std::shared_ptr<Request>> to_cancel_;
  int outstanding_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool no_more_requests_ = false;
  bool is_cancelled_ = false;
  bool is_ending_ = false;
  std::shared_ptr<StreamCall> self_;
};

}  // namespace

void wait_for_stream_infer(const CallSite& site) { std::make_shared<StreamCall>(site)->begin(); }

}  // namespace penstock::serve
