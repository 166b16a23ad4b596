// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Methods that ask about the server and its models, and change them.
#include <grpcpp/impl/codegen/proto_utils.h>

#include "serve/grpc/calls.h"

namespace penstock::serve {
namespace {

class PlainCall {
 public:
  PlainCall(const CallSite& site, const PlainMethod& method, int index)
      : site_(site), method_(method), index_(index), responder_(&context_) {
    site_.service.wait_for_unary(index, context_, request_, responder_, site_.queue, came_tag_);
  }

 private:
  void came(bool ok) {
    if (!ok) {
      delete this;
      return;
    }
    new PlainCall(site_, method_, index_);
    method_.answer(site_.server, request_, [this](const Error& error, grpc::ByteBuffer message) {
      if (error.is_ok()) {
        responder_.Finish(message, grpc::Status::OK, &answered_tag_);
      } else {
        responder_.FinishWithError(to_grpc(error), &answered_tag_);
      }
    });
  }
  void answered(bool) { delete this; }

  const CallSite& site_;
  const PlainMethod& method_;
  int index_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  RawService::UnaryResponder responder_;
  MemberTag<PlainCall> came_tag_{*this, &PlainCall::came};
  MemberTag<PlainCall> answered_tag_{*this, &PlainCall::answered};
};

template <typename Message>
Error parse(grpc::ByteBuffer& bytes, Message& message) {
  const grpc::Status status = grpc::SerializationTraits<Message>::Deserialize(&bytes, &message);
  if (status.ok()) return {};
  return {ErrorCode::kInvalidArgument, "the request's protobuf is broken"};
}

template <typename Message>
grpc::ByteBuffer serialize(const Message& message) {
  grpc::ByteBuffer bytes;
  bool owned = false;
  (void)grpc::SerializationTraits<Message>::Serialize(message, &bytes, &owned);
  return bytes;
}

// From a function that answers at once: Response or Answer<Response> of (server, request).
template <typename Request, typename Function>
PlainMethod method(const char* name, Function function) {
  return {std::string("/inference.GRPCInferenceService/") + name,
          [function](ModelServer& server, grpc::ByteBuffer& bytes, const Reply& reply) {
            Request request;
            if (const Error error = parse(bytes, request); !error.is_ok()) return reply(error, {});
            auto answer = function(server, request);
            if (!answer.is_ok()) return reply(answer.status(), {});
            reply({}, serialize(*answer));
          }};
}

// From one that tells later.
template <typename Request, typename Response>
PlainMethod later(const char* name,
                  void (ModelServer::*function)(const Request&, std::function<void(Error)>)) {
  return {std::string("/inference.GRPCInferenceService/") + name,
          [function](ModelServer& server, grpc::ByteBuffer& bytes, const Reply& reply) {
            Request request;
            if (const Error error = parse(bytes, request); !error.is_ok()) return reply(error, {});
            (server.*function)(
                request, [reply](const Error& error) { reply(error, serialize(Response())); });
          }};
}

Error no_shared_memory() {
  return {ErrorCode::kUnsupported, "shared memory is not available: send tensors in the request"};
}

}  // namespace

std::vector<PlainMethod> plain_methods() {
  using namespace inference;  // NOLINT: the messages of all methods
  std::vector<PlainMethod> methods = {
      method<ServerLiveRequest>("ServerLive",
                                [](ModelServer& server, const ServerLiveRequest&) {
                                  ServerLiveResponse response;
                                  response.set_live(server.is_live());
                                  return Answer<ServerLiveResponse>(response);
                                }),
      method<ServerReadyRequest>("ServerReady",
                                 [](ModelServer& server, const ServerReadyRequest&) {
                                   ServerReadyResponse response;
                                   response.set_ready(server.is_ready());
                                   return Answer<ServerReadyResponse>(response);
                                 }),
      method<ModelReadyRequest>(
          "ModelReady",
          [](ModelServer& server, const ModelReadyRequest& request) -> Answer<ModelReadyResponse> {
            PENSTOCK_ASSIGN_OR_RETURN(const bool ready,
                                      server.is_model_ready(request.name(), request.version()));
            ModelReadyResponse response;
            response.set_ready(ready);
            return response;
          }),
      method<ServerMetadataRequest>("ServerMetadata",
                                    [](ModelServer& server, const ServerMetadataRequest&) {
                                      return Answer<ServerMetadataResponse>(server.metadata());
                                    }),
      method<ModelMetadataRequest>("ModelMetadata",
                                   [](ModelServer& server, const ModelMetadataRequest& request) {
                                     return server.model_metadata(request.name(),
                                                                  request.version());
                                   }),
      method<ModelConfigRequest>(
          "ModelConfig",
          [](ModelServer& server,
             const ModelConfigRequest& request) -> Answer<ModelConfigResponse> {
            PENSTOCK_ASSIGN_OR_RETURN(const ModelConfig config,
                                      server.model_config(request.name(), request.version()));
            ModelConfigResponse response;
            *response.mutable_config() = config;
            return response;
          }),
      method<ModelStatisticsRequest>(
          "ModelStatistics",
          [](ModelServer& server, const ModelStatisticsRequest& request) {
            return server.statistics(request.name(), request.version());
          }),
      method<RepositoryIndexRequest>(
          "RepositoryIndex",
          [](ModelServer& server, const RepositoryIndexRequest& request) {
            return server.index(request);
          }),
      later<RepositoryModelLoadRequest, RepositoryModelLoadResponse>("RepositoryModelLoad",
                                                                     &ModelServer::load_model),
      later<RepositoryModelUnloadRequest, RepositoryModelUnloadResponse>(
          "RepositoryModelUnload", &ModelServer::unload_model),
      method<TraceSettingRequest>("TraceSetting",
                                  [](ModelServer& server, const TraceSettingRequest& request) {
                                    return server.trace_setting(request);
                                  }),
      method<LogSettingsRequest>("LogSettings",
                                 [](ModelServer& server, const LogSettingsRequest& request) {
                                   return server.log_settings(request);
                                 }),
      // No region is ever there, so all may be unregistered, as clients do when they begin.
      method<SystemSharedMemoryStatusRequest>(
          "SystemSharedMemoryStatus",
          [](ModelServer&, const auto&) { return Answer(SystemSharedMemoryStatusResponse()); }),
      method<SystemSharedMemoryRegisterRequest>(
          "SystemSharedMemoryRegister",
          [](ModelServer&, const auto&) -> Answer<SystemSharedMemoryRegisterResponse> {
            return no_shared_memory();
          }),
      method<SystemSharedMemoryUnregisterRequest>(
          "SystemSharedMemoryUnregister",
          [](ModelServer&, const auto&) { return Answer(SystemSharedMemoryUnregisterResponse()); }),
      method<CudaSharedMemoryStatusRequest>(
          "CudaSharedMemoryStatus",
          [](ModelServer&, const auto&) { return Answer(CudaSharedMemoryStatusResponse()); }),
      method<CudaSharedMemoryRegisterRequest>(
          "CudaSharedMemoryRegister",
          [](ModelServer&, const auto&) -> Answer<CudaSharedMemoryRegisterResponse> {
            return no_shared_memory();
          }),
      method<CudaSharedMemoryUnregisterRequest>(
          "CudaSharedMemoryUnregister",
          [](ModelServer&, const auto&) { return Answer(CudaSharedMemoryUnregisterResponse()); }),
  };
  return methods;
}

void wait_for_plain(const CallSite& site, const PlainMethod& method, int index) {
  new PlainCall(site, method, index);
}

}  // namespace penstock::serve
