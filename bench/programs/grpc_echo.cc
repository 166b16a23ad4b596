// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The least that a gRPC server can do: it answers with the bytes of the request, and knows
// no model. What `penstock serve` reaches of its rate is what remains beside gRPC itself.
// usage: penstock_grpc_echo PORT [THREADS]
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

// A ModelMetadataResponse, so that `penstock load` knows what to send: input "x", FP32, [-1, -1].
std::string description() {
  const std::string minus_one = std::string(9, '\xff') + '\x01';
  const std::string tensor =
      std::string("\x0a\x01x\x12\x04") + "FP32\x1a\x14" + minus_one + minus_one;
  return "\x22" + std::string(1, static_cast<char>(tensor.size())) + tensor;
}

class Echo {
 public:
  Echo(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue), stream_(&context_) {
    service_.RequestCall(&context_, &stream_, &queue_, &queue_, this);
  }

  void happened(bool ok) {
    if (!ok || step_ == kDone) {
      delete this;
    } else if (step_ == kCame) {
      new Echo(service_, queue_);
      step_ = kRead;
      stream_.Read(&message_, this);
    } else {
      step_ = kDone;
      if (context_.method().ends_with("/ModelMetadata")) {
        const grpc::Slice answer(description());
        message_ = grpc::ByteBuffer(&answer, 1);
      }
      stream_.WriteAndFinish(message_, grpc::WriteOptions(), grpc::Status::OK, this);
    }
  }

 private:
  enum Step { kCame, kRead, kDone };
  grpc::AsyncGenericService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_;
  grpc::ByteBuffer message_;
  Step step_ = kCame;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: penstock_grpc_echo PORT [THREADS]\n");
    return 2;
  }
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2;
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[1], grpc::InsecureServerCredentials());
  builder.RegisterAsyncGenericService(&service);
  builder.SetMaxReceiveMessageSize(-1);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int i = 0; i < threads; ++i) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::vector<std::thread> waiting;
  for (const auto& queue : queues) {
    for (int i = 0; i < 8; ++i) new Echo(service, *queue);
    waiting.emplace_back([&queue = *queue] {
      void* tag = nullptr;
      bool ok = false;
      while (queue.Next(&tag, &ok)) static_cast<Echo*>(tag)->happened(ok);
    });
  }
  for (std::thread& thread : waiting) thread.join();
}
