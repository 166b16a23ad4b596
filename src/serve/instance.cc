// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/instance.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "serve/buffer_pool.h"

namespace penstock::serve {
namespace {

// Below this, copying costs less than telling all steps a new address.
constexpr size_t kSmallBytes = 8192;
constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t nanoseconds(Clock::duration duration) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

Status no_memory(size_t bytes) {
  return {StatusCode::kOutOfMemory, "no memory for " + std::to_string(bytes) + " bytes of tensors"};
}

bool is_aligned(const void* address, DataType dtype) {
  return reinterpret_cast<uintptr_t>(address) % std::max<size_t>(1, size_of(dtype)) == 0;
}

}  // namespace

Instance::Instance(Engine engine, const Options& options)
    : engine_(std::move(engine)),
      options_(options),
      is_host_(engine_.device().is_host()),
      shapes_follow_values_(!engine_.profile().values.empty()),
      staging_(engine_.inputs().size()),
      shapes_(engine_.inputs().size()),
      addresses_(engine_.inputs().size()) {}

Result<std::unique_ptr<Instance>> Instance::create(const Engine& engine, const Options& options) {
  std::unique_ptr<Instance> instance(new Instance(engine, options));
  PENSTOCK_RETURN_IF_ERROR(instance->rebuild());
  return instance;
}

Status Instance::rebuild() {
  if (context_ != nullptr && failed_rebuilds_ < options_.faults.fail_rebuilds) {
    ++failed_rebuilds_;
    return {StatusCode::kInternal, "fault injection: the context was not recreated"};
  }
  ContextOptions options;
  options.threads = options_.threads;
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine_.create_context(options));
  auto fresh = std::make_unique<ExecutionContext>(std::move(context));
  {
    std::lock_guard lock(context_mutex_);
    context_.swap(fresh);
  }
  std::fill(shapes_.begin(), shapes_.end(), Shape{-1});
  std::fill(addresses_.begin(), addresses_.end(), nullptr);
  shapes_changed_ = true;
  outputs_are_placed_ = false;
  return Status::ok();
}

size_t Instance::memory_bytes() const { return context_->memory_bytes(); }

void Instance::cancel() {
  std::lock_guard lock(context_mutex_);
  if (context_ != nullptr) context_->cancel();
}

Status Instance::inject_faults() {
  const FaultInjection& faults = options_.faults;
  ++runs_;
  if (faults.delay_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(faults.delay_us));
  if (faults.fail_every > 0 && runs_ % faults.fail_every == 0) {
    return {StatusCode::kInternal, "fault injection: this execution failed"};
  }
  return Status::ok();
}

Result<ExecutionResult> Instance::run(std::span<InferenceRequest* const> requests) {
  const auto begin = Clock::now();
  PENSTOCK_RETURN_IF_ERROR(inject_faults());
  PENSTOCK_RETURN_IF_ERROR(place_inputs(requests));
  std::shared_ptr<std::byte> memory;
  PENSTOCK_RETURN_IF_ERROR(place_outputs(memory));
  const auto placed = Clock::now();
  PENSTOCK_RETURN_IF_ERROR(context_->run());
  const auto computed = Clock::now();
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionResult result, collect(std::move(memory)));
  result.times = {nanoseconds(placed - begin), nanoseconds(computed - placed),
                  nanoseconds(Clock::now() - computed)};
  return result;
}

Status Instance::place_inputs(std::span<InferenceRequest* const> requests) {
  for (size_t i = 0; i < engine_.inputs().size(); ++i) {
    const TensorView& first = requests[0]->inputs[i];
    Shape shape = first.shape;
    size_t bytes = first.bytes;
    for (const InferenceRequest* request : requests.subspan(1)) {
      shape[0] += request->inputs[i].shape[0];
      bytes += request->inputs[i].bytes;
    }
    const bool is_direct = requests.size() == 1 && is_host_ && bytes > kSmallBytes &&
                           is_aligned(first.data, first.dtype);
    if (!is_direct) PENSTOCK_RETURN_IF_ERROR(stage(i, requests, bytes));
    // The context only reads what is at an input's address.
    void* address = is_direct ? const_cast<void*>(first.data) : staging_[i].data();
    PENSTOCK_RETURN_IF_ERROR(set_input(i, shape, address));
  }
  return Status::ok();
}

// The inputs of the requests one behind the other.
Status Instance::stage(size_t input, std::span<InferenceRequest* const> requests, size_t bytes) {
  Staging& staging = staging_[input];
  if (staging.bytes < bytes || staging.bytes == 0) {
    const size_t wanted = std::max(bytes, kSmallBytes);
    if (is_host_) {
      staging.host = BufferPool::shared()->take(wanted);
      if (staging.host == nullptr) return no_memory(wanted);
    } else {
      PENSTOCK_ASSIGN_OR_RETURN(staging.page_locked, engine_.device().allocate_host(wanted));
    }
    staging.bytes = wanted;
  }
  auto* to = static_cast<std::byte*>(staging.data());
  for (const InferenceRequest* request : requests) {
    const TensorView& tensor = request->inputs[input];
    if (tensor.bytes > 0) std::memcpy(to, tensor.data, tensor.bytes);
    to += tensor.bytes;
  }
  return Status::ok();
}

Status Instance::set_input(size_t input, const Shape& shape, void* address) {
  const std::string& name = engine_.inputs()[input].name;
  if (shapes_[input] != shape) {
    PENSTOCK_RETURN_IF_ERROR(context_->set_input_shape(name, shape));
    shapes_[input] = shape;
    shapes_changed_ = true;
  }
  if (addresses_[input] == address) return Status::ok();
  PENSTOCK_RETURN_IF_ERROR(context_->set_tensor_address(name, address));
  addresses_[input] = address;
  return Status::ok();
}

Status Instance::find_output_shapes() {
  output_shapes_.clear();
  output_bytes_.clear();
  all_output_bytes_ = 0;
  outputs_are_known_ = !shapes_follow_values_;
  for (const TensorInfo& output : engine_.outputs()) {
    PENSTOCK_ASSIGN_OR_RETURN(Shape shape, context_->tensor_shape(output.name));
    const bool is_known = std::none_of(shape.begin(), shape.end(), [](int64_t e) { return e < 0; });
    outputs_are_known_ = outputs_are_known_ && is_known && output.dtype != DataType::kString;
    const size_t bytes =
        is_known ? static_cast<size_t>(element_count(shape)) * size_of(output.dtype) : 0;
    output_shapes_.push_back(std::move(shape));
    output_bytes_.push_back(bytes);
    all_output_bytes_ += aligned(bytes);
  }
  return Status::ok();
}

// Large outputs are written where the response will be read from.
Status Instance::place_outputs(std::shared_ptr<std::byte>& memory) {
  if (shapes_changed_) PENSTOCK_RETURN_IF_ERROR(find_output_shapes());
  shapes_changed_ = false;
  const bool is_direct = outputs_are_known_ && is_host_ && all_output_bytes_ > kSmallBytes;
  if (!is_direct && !outputs_are_placed_) return Status::ok();
  if (is_direct) {
    memory = BufferPool::shared()->take(all_output_bytes_);
    if (memory == nullptr) return no_memory(all_output_bytes_);
  }
  size_t offset = 0;
  for (size_t i = 0; i < engine_.outputs().size(); ++i) {
    void* address = is_direct ? memory.get() + offset : nullptr;
    PENSTOCK_RETURN_IF_ERROR(context_->set_tensor_address(engine_.outputs()[i].name, address));
    offset += aligned(output_bytes_[i]);
  }
  outputs_are_placed_ = is_direct;
  return Status::ok();
}

Result<ExecutionResult> Instance::collect(std::shared_ptr<std::byte> memory) {
  ExecutionResult result;
  result.outputs.reserve(engine_.outputs().size());
  std::vector<Tensor> strings;
  size_t bytes = 0;
  for (const TensorInfo& info : engine_.outputs()) {
    PENSTOCK_ASSIGN_OR_RETURN(OutputView view, context_->output(info.name));
    TensorView tensor;
    tensor.dtype = view.dtype;
    tensor.bytes = static_cast<size_t>(element_count(view.shape)) * size_of(view.dtype);
    if (view.dtype == DataType::kString) {
      strings.push_back(Tensor::copy_of(view.dtype, view.shape, view.data));
      view.data = strings.back().data();
    } else {
      bytes += aligned(tensor.bytes);
    }
    tensor.shape = std::move(view.shape);
    tensor.data = view.data;
    result.outputs.push_back(std::move(tensor));
  }
  if (memory == nullptr) {
    memory = BufferPool::shared()->take(bytes);
    if (memory == nullptr) return no_memory(bytes);
    size_t offset = 0;
    for (TensorView& tensor : result.outputs) {
      if (tensor.dtype == DataType::kString) continue;
      if (tensor.bytes > 0) std::memcpy(memory.get() + offset, tensor.data, tensor.bytes);
      tensor.data = memory.get() + offset;
      offset += aligned(tensor.bytes);
    }
  }
  if (strings.empty()) {
    result.memory = std::move(memory);
  } else {
    result.memory = std::make_shared<std::pair<std::shared_ptr<std::byte>, std::vector<Tensor>>>(
        std::move(memory), std::move(strings));
  }
  return result;
}

}  // namespace penstock::serve
