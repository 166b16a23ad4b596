// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The only file that includes cudnn_frontend, which takes long to compile.
#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#include <cudnn_frontend.h>
#pragma GCC diagnostic pop

#include <mutex>
#include <span>

#include "backends/cuda/cuda_status.h"
#include "backends/cuda/cudnn_graph.h"
#include "backends/cuda/cudnn_key.h"
#include "backends/cuda/dynamic_library.h"
#include "backends/device_code.h"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // where cudnn_frontend looks for cuDNN's functions
}

namespace penstock::backends::cuda {
namespace {

namespace fe = cudnn_frontend;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;

const DynamicLibrary& cudnn() {
  static const DynamicLibrary* the = [] {
    const SpentTimer timer(kOpeningLibraries);
    auto* library = new DynamicLibrary({"libcudnn.so.9", "libcudnn.so"});
    fe::cudnn_dlhandle = library->handle();
    return library;
  }();
  return *the;
}

Status status_of(fe::error_t error, std::string_view what) {
  if (error.is_good()) return Status::ok();
  PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaGetLastError(), what));
  return {StatusCode::kUnsupported, std::string(what) + ": cuDNN: " + error.get_message()};
}

// Calls fn, which calls cudnn_frontend and may throw.
template <typename Fn>
Status guarded(std::string_view what, Fn&& fn) {
  try {
    return status_of(fn(), what);
  } catch (const std::exception& error) {
    return {StatusCode::kUnsupported, std::string(what) + ": cuDNN: " + error.what()};
  }
}

// A cuDNN handle is for one thread at a time, and costs a lot to make: handles that nobody uses
// wait here for the next.
class HandlePool {
 public:
  static HandlePool& get() {
    static auto* the = new HandlePool;
    return *the;
  }
  Result<cudnnHandle_t> take() {
    int device = 0;
    PENSTOCK_RETURN_IF_ERROR(cuda_status(cudaGetDevice(&device), "asking for the device"));
    {
      const std::lock_guard lock(mutex_);
      std::vector<cudnnHandle_t>& idle = idle_[device];
      if (!idle.empty()) {
        const cudnnHandle_t handle = idle.back();
        idle.pop_back();
        return handle;
      }
    }
    const SpentTimer timer(kOpeningLibraries);
    cudnnHandle_t handle = nullptr;
    const cudnnStatus_t status = fe::detail::create_handle(&handle);
    if (status != CUDNN_STATUS_SUCCESS) {
      return Status(StatusCode::kInternal,
                    "cuDNN does not open: " + std::to_string(static_cast<int>(status)));
    }
    return handle;
  }
  void give_back(cudnnHandle_t handle) {
    int device = 0;
    (void)cudaGetDevice(&device);
    const std::lock_guard lock(mutex_);
    idle_[device].push_back(handle);
  }

 private:
  std::mutex mutex_;
  std::map<int, std::vector<cudnnHandle_t>> idle_;  // by device
};

class HandleLease {
 public:
  static Result<HandleLease> take() {
    PENSTOCK_ASSIGN_OR_RETURN(const cudnnHandle_t handle, HandlePool::get().take());
    return HandleLease(handle);
  }
  HandleLease(HandleLease&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  HandleLease& operator=(HandleLease&&) = delete;
  ~HandleLease() {
    if (handle_ != nullptr) HandlePool::get().give_back(handle_);
  }
  cudnnHandle_t get() const { return handle_; }

 private:
  explicit HandleLease(cudnnHandle_t handle) : handle_(handle) {}

  cudnnHandle_t handle_;
};

fe::DataType_t library_type(DataType type) {
  switch (type) {
    case DataType::kFloat16: return fe::DataType_t::HALF;
    case DataType::kBFloat16: return fe::DataType_t::BFLOAT16;
    case DataType::kFloat32: return fe::DataType_t::FLOAT;
    case DataType::kInt8: return fe::DataType_t::INT8;
    default: return fe::DataType_t::NOT_SET;
  }
}

fe::graph::Tensor_attributes describe(const CudnnTensor& tensor, CudnnRole role) {
  return fe::graph::Tensor_attributes()
      .set_uid(static_cast<int64_t>(role))
      .set_dim(tensor.shape)
      .set_stride(tensor.strides)
      .set_data_type(library_type(tensor.dtype));
}

void finish(const Tensor& tensor, const CudnnTensor& facts, CudnnRole role) {
  tensor->set_output(true)
      .set_uid(static_cast<int64_t>(role))
      .set_dim(facts.shape)
      .set_stride(facts.strides)
      .set_data_type(library_type(facts.dtype));
}

Tensor activate(fe::graph::Graph& graph, const Tensor& x, const CudnnEpilogue& epilogue) {
  using fe::PointwiseMode_t;
  auto attributes = fe::graph::Pointwise_attributes().set_compute_data_type(fe::DataType_t::FLOAT);
  switch (epilogue.activation) {
    case CudnnActivation::kNone: return x;
    case CudnnActivation::kRelu: attributes.set_mode(PointwiseMode_t::RELU_FWD); break;
    case CudnnActivation::kClip:
      attributes.set_mode(PointwiseMode_t::RELU_FWD)
          .set_relu_lower_clip(epilogue.low)
          .set_relu_upper_clip(epilogue.high);
      break;
    case CudnnActivation::kSigmoid: attributes.set_mode(PointwiseMode_t::SIGMOID_FWD); break;
    case CudnnActivation::kTanh: attributes.set_mode(PointwiseMode_t::TANH_FWD); break;
    case CudnnActivation::kGelu: attributes.set_mode(PointwiseMode_t::GELU_FWD); break;
    case CudnnActivation::kGeluTanh:
      attributes.set_mode(PointwiseMode_t::GELU_APPROX_TANH_FWD);
      break;
    case CudnnActivation::kSilu:
      attributes.set_mode(PointwiseMode_t::SWISH_FWD).set_swish_beta(1.0f);
      break;
  }
  return graph.pointwise(x, attributes);
}

Tensor add(fe::graph::Graph& graph, const Tensor& a, const Tensor& b) {
  return graph.pointwise(a, b,
                         fe::graph::Pointwise_attributes()
                             .set_mode(fe::PointwiseMode_t::ADD)
                             .set_compute_data_type(fe::DataType_t::FLOAT));
}

// Of a result; `bias` is described as it broadcasts to y.
void finish_with(fe::graph::Graph& graph, Tensor y, const CudnnEpilogue& epilogue,
                 const CudnnTensor& facts, const CudnnTensor& bias) {
  y->set_dim(facts.shape).set_stride(facts.strides);
  if (epilogue.has_bias) y = add(graph, y, graph.tensor(describe(bias, CudnnRole::kBias)));
  if (epilogue.has_residual) {
    y = add(graph, y, graph.tensor(describe(facts, CudnnRole::kResidual)));
  }
  y = activate(graph, y, epilogue);
  finish(y, facts, CudnnRole::kY);
}

// What reads its own device code, and no other version's.
std::string maker() { return "cudnn " + std::to_string(fe::detail::get_backend_version()); }

Tensor multiply(fe::graph::Graph& graph, const Tensor& a, const Tensor& b) {
  return graph.pointwise(a, b,
                         fe::graph::Pointwise_attributes()
                             .set_mode(fe::PointwiseMode_t::MUL)
                             .set_compute_data_type(fe::DataType_t::FLOAT));
}

// What CudnnQuantization does to sums in int32.
void finish_quantized(fe::graph::Graph& graph, const Tensor& sums, const CudnnEpilogue& epilogue,
                      const CudnnQuantization& quantization, const CudnnTensor& facts) {
  sums->set_dim(facts.shape).set_stride(facts.strides).set_data_type(fe::DataType_t::INT32);
  const int64_t channels = facts.shape[1];
  const CudnnTensor each{
      DataType::kFloat32, {1, channels, 1, 1}, {channels, 1, channels, channels}};
  const CudnnTensor one{DataType::kFloat32, {1, 1, 1, 1}, {1, 1, 1, 1}};
  Tensor y = multiply(
      graph, sums,
      graph.tensor(describe(quantization.has_scale_for_each ? each : one, CudnnRole::kScale)));
  if (epilogue.has_bias) y = add(graph, y, graph.tensor(describe(each, CudnnRole::kBias)));
  if (epilogue.has_residual) {
    Tensor residual = graph.tensor(
        describe({quantization.residual, facts.shape, facts.strides}, CudnnRole::kResidual));
    if (quantization.residual == DataType::kInt8) {
      residual = multiply(graph, residual, graph.tensor(quantization.residual_scale));
    }
    y = add(graph, y, residual);
  }
  y = activate(graph, y, epilogue);
  if (facts.dtype == DataType::kInt8) {
    y = multiply(graph, y, graph.tensor(1.0f / quantization.y_scale));
  }
  finish(y, facts, CudnnRole::kY);
}

}  // namespace

struct CudnnGraph::State {
  fe::graph::Graph graph;
  int64_t prepared = 0;
  int64_t workspace_bytes = 0;
  // cuDNN does not promise that every engine's plan may be enqueued by two threads at once.
  std::mutex mutex;

  // A graph that `describe` fills in.
  template <typename Describe>
  static Result<std::unique_ptr<State>> make(bool is_exact, Describe&& describe) {
    if (!why_no_cudnn().empty()) return Status(StatusCode::kUnsupported, why_no_cudnn());
    auto state = std::make_unique<State>();
    try {
      state->graph.set_intermediate_data_type(fe::DataType_t::FLOAT)
          .set_compute_data_type(fe::DataType_t::FLOAT);
      describe(state->graph);
    } catch (const std::exception& error) {
      return Status(StatusCode::kUnsupported, std::string("cuDNN: ") + error.what());
    }
    const SpentTimer timer(kCompiling);
    PENSTOCK_RETURN_IF_ERROR(state->complete(is_exact));
    return state;
  }

  // The one engine that device code holds.
  static Result<std::unique_ptr<State>> restore(const CodeView& code) {
    if (!why_no_cudnn().empty()) return Status(StatusCode::kUnsupported, why_no_cudnn());
    if (code.maker != maker()) {
      return Status(StatusCode::kUnsupported,
                    "the plan has device code of " + code.maker + ", and " + maker() +
                        " is here, which prepares its kernels again: build the plan again to save "
                        "that time");
    }
    PENSTOCK_ASSIGN_OR_RETURN(const HandleLease handle, HandleLease::take());
    const SpentTimer timer(kLoadingCode);
    auto state = std::make_unique<State>();
    const auto* begin = reinterpret_cast<const uint8_t*>(code.bytes.data());
    const std::vector<uint8_t> bytes(begin, begin + code.bytes.size());
    PENSTOCK_RETURN_IF_ERROR(guarded("reading the plan's device code", [&] {
      return state->graph.deserialize(handle.get(), bytes, true, false);
    }));
    PENSTOCK_RETURN_IF_ERROR(state->ask_for_workspace(0));
    return state;
  }

  // For the plan that is being built. What cannot be stored is prepared again wherever it runs.
  void record(const CodeKey& key) const {
    if (!current_device_code().is_recording()) return;
    std::vector<uint8_t> bytes;
    const Status stored =
        guarded("storing an engine", [&] { return graph.serialize(bytes, false); });
    if (stored.is_ok()) current_device_code().record(key, maker(), std::as_bytes(std::span(bytes)));
  }

  Status ask_for_workspace(int index) {
    prepared = index;
    return guarded("preparing an engine",
                   [&] { return graph.get_workspace_size_plan_at_index(index, workspace_bytes); });
  }

  Status prepare(int index) {
    PENSTOCK_ASSIGN_OR_RETURN(const HandleLease handle, HandleLease::take());
    PENSTOCK_RETURN_IF_ERROR(guarded(
        "preparing an engine", [&] { return graph.build_plan_at_index(handle.get(), index); }));
    return ask_for_workspace(index);
  }

  // The engine, or where the proposals lack it or it does not take the graph, the first of `most`.
  Status prepare_or_another(int index, int most) {
    const SpentTimer timer(kCompiling);
    const auto count = static_cast<int>(graph.get_execution_plan_count());
    Status first{StatusCode::kUnsupported, "cuDNN proposes no engine"};
    if (index < count) {
      first = prepare(index);
      if (first.is_ok()) return first;
    }
    for (int i = 0; i < std::min(count, most); ++i) {
      if (i != index && prepare(i).is_ok()) return Status::ok();
    }
    return first;
  }

  // Validates the graph and asks for engines.
  Status complete(bool is_exact) {
    PENSTOCK_ASSIGN_OR_RETURN(const HandleLease handle, HandleLease::take());
    PENSTOCK_RETURN_IF_ERROR(guarded("describing the graph", [&] { return graph.validate(); }));
    PENSTOCK_RETURN_IF_ERROR(
        guarded("describing the graph", [&] { return graph.build_operation_graph(handle.get()); }));
    return guarded("asking for engines", [&] {
      const auto answer =
          graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK});
      // Tensor cores would round float32 operands to TF32.
      if (is_exact) graph.deselect_numeric_notes({fe::NumericalNote_t::TENSOR_CORE});
      return answer;
    });
  }
};

const std::string& why_no_cudnn() { return cudnn().error(); }

CudnnGraph::CudnnGraph(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudnnGraph::~CudnnGraph() = default;

Result<std::unique_ptr<CudnnGraph>> CudnnGraph::create(const CudnnConvolution& convolution) {
  const bool is_exact = convolution.y.dtype == DataType::kFloat32 && !convolution.tf32;
  const auto describe_all = [&](fe::graph::Graph& graph) {
    const Tensor x = graph.tensor(describe(convolution.x, CudnnRole::kX));
    const Tensor w = graph.tensor(describe(convolution.w, CudnnRole::kW));
    auto attributes = fe::graph::Conv_fprop_attributes()
                          .set_pre_padding(convolution.pads_begin)
                          .set_post_padding(convolution.pads_end)
                          .set_stride(convolution.strides)
                          .set_dilation(convolution.dilations);
    if (convolution.quantization) attributes.set_compute_data_type(fe::DataType_t::INT32);
    const Tensor y = graph.conv_fprop(x, w, attributes);
    if (convolution.quantization) {
      return finish_quantized(graph, y, convolution.epilogue, *convolution.quantization,
                              convolution.y);
    }
    const int64_t channels = convolution.y.shape[1];
    finish_with(graph, y, convolution.epilogue, convolution.y,
                {convolution.y.dtype, {1, channels, 1, 1}, {channels, 1, channels, channels}});
  };
  PENSTOCK_ASSIGN_OR_RETURN(auto state, State::make(is_exact, describe_all));
  return std::unique_ptr<CudnnGraph>(new CudnnGraph(std::move(state)));
}

Result<std::unique_ptr<CudnnGraph>> CudnnGraph::create(const CudnnMatMul& product) {
  const auto describe_all = [&](fe::graph::Graph& graph) {
    const Tensor y =
        graph.matmul(graph.tensor(describe(product.a, CudnnRole::kX)),
                     graph.tensor(describe(product.b, CudnnRole::kW)),
                     fe::graph::Matmul_attributes().set_compute_data_type(fe::DataType_t::FLOAT));
    const int64_t columns = product.y.shape[2];
    finish_with(graph, y, product.epilogue, product.y,
                {product.y.dtype, {1, 1, columns}, {columns, columns, 1}});
  };
  const bool is_exact = product.y.dtype == DataType::kFloat32;
  PENSTOCK_ASSIGN_OR_RETURN(auto state, State::make(is_exact, describe_all));
  return std::unique_ptr<CudnnGraph>(new CudnnGraph(std::move(state)));
}

Result<std::unique_ptr<CudnnGraph>> CudnnGraph::create(const CudnnAttention& attention) {
  const auto describe_all = [&](fe::graph::Graph& graph) {
    auto attributes = fe::graph::SDPA_attributes()
                          .set_name("attention")
                          .set_generate_stats(false)
                          .set_attn_scale(attention.scale);
    if (attention.causal) {
      if (attention.q.shape[2] == attention.k.shape[2]) {
        attributes.set_causal_mask(true);
      } else {
        attributes.set_causal_mask_bottom_right(true);
      }
    }
    if (attention.has_mask) {
      attributes.set_bias(graph.tensor(describe(attention.mask, CudnnRole::kMask)));
    }
    auto [out, stats] = graph.sdpa(graph.tensor(describe(attention.q, CudnnRole::kQ)),
                                   graph.tensor(describe(attention.k, CudnnRole::kK)),
                                   graph.tensor(describe(attention.v, CudnnRole::kV)), attributes);
    finish(out, attention.out, CudnnRole::kOut);
  };
  PENSTOCK_ASSIGN_OR_RETURN(auto state, State::make(false, describe_all));
  return std::unique_ptr<CudnnGraph>(new CudnnGraph(std::move(state)));
}

int CudnnGraph::engine_count() const {
  return static_cast<int>(state_->graph.get_execution_plan_count());
}

template <typename Description>
Result<std::unique_ptr<CudnnGraph>> CudnnGraph::restore_or_prepare(const Description& description,
                                                                   int index, int most) {
  const CodeKey key = cudnn_key(description, index);
  if (const CodeView* view = current_device_code().find(key); view != nullptr) {
    Result<std::unique_ptr<State>> state = State::restore(*view);
    if (state.is_ok()) {
      current_device_code().record(key, view->maker, view->bytes);
      return std::unique_ptr<CudnnGraph>(new CudnnGraph(*std::move(state)));
    }
    current_device_code().warn(state.status().message());
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<CudnnGraph> graph, create(description));
  PENSTOCK_RETURN_IF_ERROR(graph->state_->prepare_or_another(index, most));
  graph->state_->record(key);
  return graph;
}

Result<std::unique_ptr<CudnnGraph>> CudnnGraph::prepared(const CudnnConvolution& convolution,
                                                         int index, int most) {
  return restore_or_prepare(convolution, index, most);
}

Result<std::unique_ptr<CudnnGraph>> CudnnGraph::prepared(const CudnnMatMul& product, int index,
                                                         int most) {
  return restore_or_prepare(product, index, most);
}

Result<std::unique_ptr<CudnnGraph>> CudnnGraph::prepared(const CudnnAttention& attention, int index,
                                                         int most) {
  return restore_or_prepare(attention, index, most);
}

size_t CudnnGraph::workspace_bytes() const { return static_cast<size_t>(state_->workspace_bytes); }

Status CudnnGraph::run(const std::vector<std::pair<CudnnRole, void*>>& tensors, void* workspace,
                       cudaStream_t stream) const {
  PENSTOCK_ASSIGN_OR_RETURN(const HandleLease handle, HandleLease::take());
  if (fe::detail::set_stream(handle.get(), stream) != CUDNN_STATUS_SUCCESS) {
    return {StatusCode::kInternal, "cuDNN refuses the stream"};
  }
  std::unordered_map<int64_t, void*> addresses;
  for (const auto& [role, address] : tensors) addresses[static_cast<int64_t>(role)] = address;
  const std::lock_guard lock(state_->mutex);
  return guarded("enqueueing an engine", [&] {
    return state_->graph.execute_plan_at_index(handle.get(), addresses, workspace,
                                               state_->prepared);
  });
}

}  // namespace penstock::backends::cuda
