// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <grpcpp/support/proto_buffer_reader.h>

#include <atomic>
#include <mutex>

#include "serve/grpc/calls.h"
#include "serve/grpc/request.h"

namespace penstock::serve {
namespace {

// A call of ModelInfer is its own request. Two hold on to it: gRPC, until it has given back all
// tags, and the server, until it has completed the request.
class InferCall : public InferenceRequest, public std::enable_shared_from_this<InferCall> {
 public:
  explicit InferCall(const CallSite& site) : site_(site), responder_(&context_) {}

  void begin() {
    self_ = shared_from_this();
    context_.AsyncNotifyWhenDone(&ended_tag_);
    site_.service.wait_for_unary(RawService::kInfer, context_, message_, responder_, site_.queue,
                                 came_tag_);
  }

  void complete(InferenceResponse response) noexcept override {
    if (site_.compression != GRPC_COMPRESS_LEVEL_NONE) {
      context_.set_compression_level(site_.compression);
    }
    if (response.error.is_ok()) {
      const grpc::ByteBuffer message = to_buffer(write_response(response, {}), response.memory);
      responder_.Finish(message, grpc::Status::OK, &answered_tag_);
    } else {
      responder_.FinishWithError(to_grpc(response.error), &answered_tag_);
    }
  }

 private:
  void came(bool ok) {
    if (!ok) {  // the server ends; of calls that never came, no other tag comes back
      self_.reset();
      return;
    }
    arrival = Clock::now();
    wait_for_infer(site_);
    deadline = deadline_of(context_);
    trace_parent = header_of(context_, "traceparent");
    Error error;
    {
      grpc::ProtoBufferReader reader(&message_);
      error = read_request(reader, message_.Length(), memory_, *this);
    }
    message_.Clear();
    if (!error.is_ok()) {
      InferenceResponse response;
      response.error = error;
      complete(std::move(response));
      return;
    }
    site_.server.infer(shared_from_this());
  }

  // The answer is on its way, or the client left before.
  void answered(bool) { let_go(); }

  void ended(bool) {
    if (context_.IsCancelled()) cancel();
    let_go();
  }

  void let_go() {
    if (--tags_left_ == 0) self_.reset();
  }

  const CallSite& site_;
  grpc::ServerContext context_;
  grpc::ByteBuffer message_;
  RawService::UnaryResponder responder_;
  RequestMemory memory_;
  MemberTag<InferCall> came_tag_{*this, &InferCall::came};
  MemberTag<InferCall> answered_tag_{*this, &InferCall::answered};
  MemberTag<InferCall> ended_tag_{*this, &InferCall::ended};
  std::atomic<int> tags_left_{2};
  std::shared_ptr<InferCall> self_;
};

}  // namespace

void wait_for_infer(const CallSite& site) { std::make_shared<InferCall>(site)->begin(); }

}  // namespace penstock::serve
