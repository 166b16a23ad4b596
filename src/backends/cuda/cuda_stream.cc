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
  return std::unique_ptr<CudaStream>(new CudaStream(device, stream, true));
}

Result<std::unique_ptr<CudaStream>> CudaStream::wrap(int device, cudaStream_t stream) {
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaSetDevice(device), "choosing the device"));
  return std::unique_ptr<CudaStream>(new CudaStream(device, stream, false));
}

CudaStream::~CudaStream() {
  (void)worker_.synchronize();
  if (!owned_) return;
  (void)cudaStreamSynchronize(stream_);
  (void)cudaStreamDestroy(stream_);
}

void CudaStream::enter() { (void)cudaSetDevice(device_); }

void CudaStream::enqueue(std::function<void()> work) {
  if (shared_.load(std::memory_order_relaxed)) {
    (void)settle();
    return work();
  }
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

Status CudaStream::wait_for(const std::shared_ptr<Event>& event) {
  const auto* mark = dynamic_cast<const CudaEvent*>(event.get());
  if (mark == nullptr) return event->wait();  // the host's
  if (mark->get() == nullptr) return Status::ok();
  enter();
  return cuda_status(cudaStreamWaitEvent(stream_, mark->get(), 0), "waiting for a CUDA event");
}

Status CudaStream::settle() {
  enter();
  return worker_.synchronize();
}

Result<bool> CudaStream::is_done() {
  PENSTOCK_ASSIGN_OR_RETURN(const bool handed_over, worker_.is_done());
  if (!handed_over) return false;
  const cudaError_t answer = cudaStreamQuery(stream_);
  if (answer == cudaErrorNotReady) (void)cudaGetLastError();
  if (answer == cudaErrorNotReady) return false;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(answer, "work on the CUDA device"));
  return true;
}

void* CudaStream::native_handle() {
  shared_.store(true, std::memory_order_relaxed);
  (void)settle();
  return stream_;
}

bool CudaStream::is_captured() const {
  if (owned_ && !shared_.load(std::memory_order_relaxed)) return false;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream_, &status) == cudaSuccess) {
    return status != cudaStreamCaptureStatusNone;
  }
  (void)cudaGetLastError();
  return false;
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
  PENSTOCK_RETURN_IF_ERROR(begin.record(*this));
  PENSTOCK_RETURN_IF_ERROR(graph.is_ok() ? (*graph)->replay(*this) : repeat());
  PENSTOCK_RETURN_IF_ERROR(end.record(*this));
  PENSTOCK_RETURN_IF_ERROR(end.wait());
  PENSTOCK_ASSIGN_OR_RETURN(const double milliseconds, end.elapsed_ms(begin));
  return milliseconds * 1000 / repeats;
}

CudaEvent::~CudaEvent() {
  if (event_ != nullptr) (void)cudaEventDestroy(event_);
}

Status CudaEvent::record(Stream& stream) {
  stream.enter();  // events belong to the device that they are created on
  if (event_ == nullptr) {
    PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaEventCreate(&event_), "creation of a CUDA event"));
  }
  return cuda_status(cudaEventRecord(event_, stream_of(stream)), "recording a CUDA event");
}

Status CudaEvent::wait() {
  if (event_ == nullptr) return Status::ok();
  return cuda_status(cudaEventSynchronize(event_), "work on the CUDA device");
}

Result<bool> CudaEvent::is_reached() {
  if (event_ == nullptr) return true;
  const cudaError_t answer = cudaEventQuery(event_);
  if (answer == cudaErrorNotReady) (void)cudaGetLastError();
  if (answer == cudaErrorNotReady) return false;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(answer, "work on the CUDA device"));
  return true;
}

Result<double> CudaEvent::elapsed_ms(const Event& earlier) const {
  const auto* other = dynamic_cast<const CudaEvent*>(&earlier);
  if (other == nullptr || other->event_ == nullptr || event_ == nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  "time between events: record both on streams of one device first");
  }
  float milliseconds = 0;
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaEventSynchronize(event_), "work on the CUDA device"));
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaEventElapsedTime(&milliseconds, other->event_, event_),
                                       "time between CUDA events"));
  return static_cast<double>(milliseconds);
}

}  // namespace penstock::backends::cuda
