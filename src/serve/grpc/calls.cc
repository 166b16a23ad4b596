// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/grpc/calls.h"

namespace penstock::serve {
namespace {

grpc::StatusCode code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk: return grpc::StatusCode::OK;
    case ErrorCode::kUnknown: return grpc::StatusCode::UNKNOWN;
    case ErrorCode::kInternal: return grpc::StatusCode::INTERNAL;
    case ErrorCode::kNotFound: return grpc::StatusCode::NOT_FOUND;
    case ErrorCode::kInvalidArgument: return grpc::StatusCode::INVALID_ARGUMENT;
    case ErrorCode::kUnavailable: return grpc::StatusCode::UNAVAILABLE;
    case ErrorCode::kUnsupported: return grpc::StatusCode::UNIMPLEMENTED;
    case ErrorCode::kAlreadyExists: return grpc::StatusCode::ALREADY_EXISTS;
    case ErrorCode::kCancelled: return grpc::StatusCode::CANCELLED;
  }
  return grpc::StatusCode::UNKNOWN;
}

}  // namespace

RawService::RawService(const std::vector<PlainMethod>& plain) {
  using grpc::internal::RpcMethod;
  const auto add = [&](const char* name, RpcMethod::RpcType type, int index) {
    // The service owns it, and its name lives as long as the program or `plain`.
    AddMethod(new grpc::internal::RpcServiceMethod(name, type, nullptr));
    MarkMethodRaw(index);
  };
  add("/inference.GRPCInferenceService/ModelInfer", RpcMethod::NORMAL_RPC, kInfer);
  add("/inference.GRPCInferenceService/ModelStreamInfer", RpcMethod::BIDI_STREAMING, kStreamInfer);
  int index = kFirstPlain;
  for (const PlainMethod& method : plain) {
    add(method.name.c_str(), RpcMethod::NORMAL_RPC, index++);
  }
}

void OpenStreams::add(const std::shared_ptr<OpenStream>& stream) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(streams_, [](const auto& other) { return other.expired(); });
    streams_.push_back(stream);
    if (!is_ending_) return;
  }
  stream->end_soon();
}

void OpenStreams::end_soon() {
  std::vector<std::weak_ptr<OpenStream>> streams;
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
    streams = streams_;
  }
  for (const auto& weak : streams) {
    if (const auto stream = weak.lock()) stream->end_soon();
  }
}

grpc::Status to_grpc(const Error& error) {
  return error.is_ok() ? grpc::Status::OK : grpc::Status(code_of(error.code()), error.message());
}

grpc::ByteBuffer to_buffer(std::vector<MessagePiece> pieces,
                           const std::shared_ptr<const void>& memory) {
  std::vector<grpc::Slice> slices;
  slices.reserve(2 * pieces.size());
  for (const MessagePiece& piece : pieces) {
    if (!piece.own.empty()) slices.emplace_back(piece.own.data(), piece.own.size());
    if (piece.bytes == 0) continue;
    // gRPC only reads it.
    slices.emplace_back(
        const_cast<void*>(piece.data), piece.bytes,
        [](void* keeper) { delete static_cast<std::shared_ptr<const void>*>(keeper); },
        new std::shared_ptr<const void>(memory));
  }
  if (slices.empty()) slices.emplace_back();
  return {slices.data(), slices.size()};
}

Clock::time_point deadline_of(const grpc::ServerContext& context) {
  const auto deadline = context.deadline();
  const auto left = deadline - std::chrono::system_clock::now();
  // Clients without a deadline have one in the far future.
  if (left > std::chrono::hours(24 * 365)) return Clock::time_point::max();
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(left);
}

std::string header_of(const grpc::ServerContext& context, const char* name) {
  const auto& headers = context.client_metadata();
  const auto found = headers.find(name);
  return found == headers.end() ? "" : std::string(found->second.data(), found->second.size());
}

}  // namespace penstock::serve
