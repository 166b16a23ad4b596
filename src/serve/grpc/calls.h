// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What stands between gRPC's completion queues and the model server. Only files of this folder
// include it: gRPC's headers take seconds to compile.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/grpc/response.h"
#include "serve/server.h"

namespace penstock::serve {

// What a completion queue gives back when something that was asked of it has happened.
class Tag {
 public:
  virtual ~Tag() = default;
  // `ok` is false where it did not happen: the call or the server ended.
  virtual void happened(bool ok) = 0;
};

// A tag that is a member of what it is about, and calls a method of it.
template <typename Owner>
class MemberTag : public Tag {
 public:
  MemberTag(Owner& owner, void (Owner::*method)(bool)) : owner_(owner), method_(method) {}
  void happened(bool ok) override { (owner_.*method_)(ok); }

 private:
  Owner& owner_;
  void (Owner::*method_)(bool);
};

// Answers a call: from any thread, once.
using Reply = std::function<void(const Error& error, grpc::ByteBuffer message)>;

// A method other than inference: takes its request apart, asks the server, replies now or later.
struct PlainMethod {
  std::string name;  // "/inference.GRPCInferenceService/ServerLive"
  std::function<void(ModelServer& server, grpc::ByteBuffer& request, Reply reply)> answer;
};
std::vector<PlainMethod> plain_methods();

// All methods on raw bytes: what grpc_cpp_plugin writes for a service with all its methods marked
// raw and asynchronous, but as data.
class RawService : public grpc::Service {
 public:
  explicit RawService(const std::vector<PlainMethod>& plain);

  using UnaryResponder = grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>;
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  static constexpr int kInfer = 0;
  static constexpr int kStreamInfer = 1;
  static constexpr int kFirstPlain = 2;

  void wait_for_unary(int method, grpc::ServerContext& context, grpc::ByteBuffer& request,
                      UnaryResponder& responder, grpc::ServerCompletionQueue& queue, Tag& tag) {
    RequestAsyncUnary(method, &context, &request, &responder, &queue, &queue, &tag);
  }
  void wait_for_stream(grpc::ServerContext& context, Stream& stream,
                       grpc::ServerCompletionQueue& queue, Tag& tag) {
    RequestAsyncBidiStreaming(kStreamInfer, &context, &stream, &queue, &queue, &tag);
  }
};

// A stream that waits for its client's next request would keep a server from ending.
class OpenStream {
 public:
  virtual ~OpenStream() = default;
  // What it has is still answered; then it ends.
  virtual void end_soon() = 0;
};

class OpenStreams {
 public:
  void add(const std::shared_ptr<OpenStream>& stream);
  // All of now, and those that are added later.
  void end_soon();

 private:
  std::mutex mutex_;
  bool is_ending_ = false;
  std::vector<std::weak_ptr<OpenStream>> streams_;
};

// What every call needs.
struct CallSite {
  ModelServer& server;
  RawService& service;
  grpc::ServerCompletionQueue& queue;
  OpenStreams& streams;
  grpc_compression_level compression = GRPC_COMPRESS_LEVEL_NONE;
};

// Wait for a call each; the next one is waited for when it has come.
void wait_for_infer(const CallSite& site);
void wait_for_stream_infer(const CallSite& site);
void wait_for_plain(const CallSite& site, const PlainMethod& method, int index);

grpc::Status to_grpc(const Error& error);
// The message that these pieces make up; `memory` keeps what they refer to.
grpc::ByteBuffer to_buffer(std::vector<MessagePiece> pieces,
                           const std::shared_ptr<const void>& memory);
// The point after which the client wants no answer.
Clock::time_point deadline_of(const grpc::ServerContext& context);
// A header of the call, or the empty string.
std::string header_of(const grpc::ServerContext& context, const char* name);

}  // namespace penstock::serve
