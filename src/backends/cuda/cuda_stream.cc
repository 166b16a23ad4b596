// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cuda_stream.h"

#include "backends/cuda/cuda_status.h"

namespace penstock::backends::cuda {
namespace {

// A CUDA graph, ready to launch.
class GraphRecording : public Recording {
 public:
  explicit GraphRecording(cudaGraphExec_t graph) : graph_(graph) {}
  ~GraphRecording() override { (void)cudaGraphExecDestroy(graph_); }
  GraphRecording(const GraphRecording&) = delete;
  GraphRecording& operator=(const GraphRecording&) = delete;

  Status replay(Stream& stream) override {
    return cuda_status(cudaGraphLaunch(graph_, stream_of(stream)), "launch of a CUDA graph");
  }

 private:
  cudaGraphExec_t graph_;
};

}  // namespace

Result<std::unique_ptr<CudaStream>> CudaStream::create(int device) {
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaSetDevice(device), "choosing the device"));
  cudaStream_t stream = nullptr;
  // Not ordered with the legacy default stream, which the application may use.
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                                       "creation of a CUDA stream"));
  return std::unique_ptr<CudaStream>(new CudaStream(device, stream));
}

CudaStream::~CudaStream() {
  (void)worker_.synchronize();
  (void)cudaStreamSynchronize(stream_);
  (void)cudaStreamDestroy(stream_);
}

void CudaStream::enter() { (void)cudaSetDevice(device_); }

void CudaStream::enqueue(std::function<void()> work) {
  worker_.enqueue([this, work = std::move(work)] {
    enter();
    work();
  });
}

Status CudaStream::synchronize() {
  PENSTOCK_RETURN_IF_ERROR(worker_.synchronize());
  return flush();
}

Status CudaStream::flush() {
  return cuda_status(cudaStreamSynchronize(stream_), "work on the CUDA device");
}

Status CudaStream::begin_recording() {
  return cuda_status(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
                     "recording a CUDA graph");
}

Result<std::unique_ptr<Recording>> CudaStream::end_recording() {
  cudaGraph_t graph = nullptr;
  PENSTOCK_RETURN_IF_ERROR(
      cuda_status(cudaStreamEndCapture(stream_, &graph), "recording a CUDA graph"));
  cudaGraphExec_t ready = nullptr;
  const Status status =
      cuda_status(cudaGraphInstantiate(&ready, graph, 0), "instantiation of a CUDA graph");
  (void)cudaGraphDestroy(graph);
  PENSTOCK_RETURN_IF_ERROR(status);
  return std::unique_ptr<Recording>(std::make_unique<GraphRecording>(ready));
}

// As a graph: launched one by one, short kernels would be timed by how fast the host submits them.
Result<double> CudaStream::time(const std::function<Status()>& work, int repeats) {
  const auto repeat = [&]() -> Status {
    for (int i = 0; i < repeats; ++i) PENSTOCK_RETURN_IF_ERROR(work());
    return Status::ok();
  };
  PENSTOCK_RETURN_IF_ERROR(begin_recording());
  const Status recorded = repeat();
  Result<std::unique_ptr<Recording>> graph = end_recording();
  PENSTOCK_RETURN_IF_ERROR(recorded);
  CudaEvent begin;
  CudaEvent end;
  begin.record(*this);
  PENSTOCK_RETURN_IF_ERROR(graph.is_ok() ? (*graph)->replay(*this) : repeat());
  end.record(*this);
  PENSTOCK_RETURN_IF_ERROR(end.wait());
  PENSTOCK_ASSIGN_OR_RETURN(const double milliseconds, end.elapsed_ms(begin));
  return milliseconds * 1000 / repeats;
}

CudaEvent::~CudaEvent() {
  if (event_ != nullptr) (void)cudaEventDestroy(event_);
}

void CudaEvent::record(Stream& stream) {
  if (event_ == nullptr)
    status_ = cuda_status(cudaEventCreate(&event_), "creation of a CUDA event");
  if (status_.is_ok()) {
    status_ = cuda_status(cudaEventRecord(event_, stream_of(stream)), "recording a CUDA event");
  }
}

Status CudaEvent::wait() {
  PENSTOCK_RETURN_IF_ERROR(status_);
  return cuda_status(cudaEventSynchronize(event_), "work on the CUDA device");
}

Result<double> CudaEvent::elapsed_ms(const Event& earlier) const {
  float milliseconds = 0;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(
      cudaEventElapsedTime(&milliseconds, static_cast<const CudaEvent&>(earlier).event_, event_),
      "time between CUDA events"));
  return static_cast<double>(milliseconds);
}

}  // namespace penstock::backends::cuda
