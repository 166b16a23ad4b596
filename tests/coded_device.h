// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_stream.h"
#include "ir/storage.h"
#include "ops/cpu_tactics.h"

// A device that stands for a GPU where there is none: what lies in its memory is in a code, so that
// whoever reads it without a copy gets wrong numbers; its streams run what kernels and copies put
// there later, on a thread, and take work from others too.
namespace penstock::test {

inline void recode(void* to, const void* from, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    static_cast<std::byte*>(to)[i] = static_cast<const std::byte*>(from)[i] ^ std::byte{0x5A};
  }
}

// The queue stands for a cudaStream_t.
class CodedStream : public backends::Stream {
 public:
  CodedStream() : own_(std::make_unique<backends::CpuStream>(1)), queue_(own_.get()) {}
  explicit CodedStream(backends::CpuStream* queue) : queue_(queue) {}
  ~CodedStream() override { (void)host_.synchronize(); }

  backends::CpuStream& queue() { return *queue_; }
  // What a GPU does later.
  void submit(std::function<void()> work) {
    if (recorded_ != nullptr) {
      recorded_->push_back(std::move(work));
    } else {
      queue_->enqueue(std::move(work));
    }
  }

  void enqueue(std::function<void()> work) override {
    if (own_ == nullptr) return work();
    host_.enqueue(std::move(work));
  }
  Status synchronize() override {
    PENSTOCK_RETURN_IF_ERROR(host_.synchronize());
    return flush();
  }
  Status flush() override { return queue_->synchronize(); }
  Status settle() override { return host_.synchronize(); }
  Result<bool> is_done() override { return queue_->is_done(); }
  int width() const override { return 1; }
  bool is_asynchronous() const override { return true; }
  void* native_handle() override { return queue_; }

  Status begin_recording() override {
    recorded_ = std::make_shared<Works>();
    return Status::ok();
  }
  Result<std::unique_ptr<backends::Recording>> end_recording() override {
    return std::unique_ptr<backends::Recording>(
        std::make_unique<Recorded>(std::exchange(recorded_, nullptr)));
  }
  Status wait_for(const std::shared_ptr<backends::Event>& event) override {
    return queue_->wait_for(event);
  }

 private:
  using Works = std::vector<std::function<void()>>;

  class Recorded : public backends::Recording {
   public:
    explicit Recorded(std::shared_ptr<Works> works) : works_(std::move(works)) {}
    Status replay(backends::Stream& stream) override {
      static_cast<CodedStream&>(stream).submit([works = works_] {
        for (const auto& work : *works) work();
      });
      return Status::ok();
    }

   private:
    std::shared_ptr<Works> works_;
  };

  std::unique_ptr<backends::CpuStream> own_;  // null where the queue is somebody else's
  backends::CpuStream* queue_;
  backends::CpuStream host_{1};
  std::shared_ptr<Works> recorded_;
};

inline CodedStream& coded(backends::Stream& stream) { return static_cast<CodedStream&>(stream); }

class CodedEvent : public backends::Event {
 public:
  Status record(backends::Stream& stream) override { return event_->record(coded(stream).queue()); }
  Status wait() override { return event_->wait(); }
  Result<bool> is_reached() override { return event_->is_reached(); }
  std::function<Status()> waiter() override { return event_->waiter(); }
  Result<double> elapsed_ms(const backends::Event& earlier) const override {
    return event_->elapsed_ms(*static_cast<const CodedEvent&>(earlier).event_);
  }

 private:
  std::unique_ptr<backends::Event> event_ = ops::cpu_backend()->create_event();
};

// A kernel of the host on tensors in code, put into the stream.
class CodedKernel : public backends::Kernel {
 public:
  CodedKernel(std::unique_ptr<backends::Kernel> kernel, backends::NodeFacts node)
      : kernel_(std::move(kernel)), node_(std::move(node)) {}

  Status run(backends::KernelRun& run) const override {
    auto later = std::make_shared<Later>(node_, *kernel_, coded(run.stream()).queue());
    PENSTOCK_RETURN_IF_ERROR(later->take(run));
    coded(run.stream()).submit([later, kernel = kernel_.get()] {
      later->decode();
      (void)kernel->run(*later);
      later->encode();
    });
    return Status::ok();
  }

 private:
  // The run's tensors, copied out of the code and back.
  class Later : public backends::KernelRun {
   public:
    Later(const backends::NodeFacts& node, const backends::Kernel& kernel, backends::Stream& stream)
        : node_(node),
          stream_(stream),
          workspace_(kernel.workspace_bytes()),
          state_(kernel.create_state()) {}

    Status take(backends::KernelRun& run) {
      for (size_t i = 0; i < run.input_count(); ++i) {
        inputs_.push_back({run.has_input(i) ? run.input(i).data : nullptr, node_.inputs[i].shape,
                           node_.inputs[i].dtype, run.has_input(i)});
      }
      for (size_t i = 0; i < run.output_count(); ++i) {
        Tensor y{nullptr, node_.outputs[i].shape, node_.outputs[i].dtype, run.has_output(i)};
        if (y.is_there) {
          PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView view, run.output(i, y.shape));
          y.coded = view.data;
        }
        outputs_.push_back(std::move(y));
      }
      return Status::ok();
    }
    void decode() {
      views_.clear();
      for (Tensor& x : inputs_) {
        x.plain.resize(x.bytes());
        if (x.is_there) recode(x.plain.data(), x.coded, x.plain.size());
        views_.push_back(
            {x.dtype, ir::Layout::kPlain, &x.shape, x.is_there ? x.plain.data() : nullptr});
      }
      for (Tensor& y : outputs_) y.plain.resize(y.bytes());
    }
    void encode() {
      for (Tensor& y : outputs_) {
        if (y.is_there) recode(y.coded, y.plain.data(), y.plain.size());
      }
    }

    const backends::TensorView& input(size_t i) const override { return views_[i]; }
    bool has_input(size_t i) const override { return is_there(inputs_, i); }
    bool has_output(size_t i) const override { return is_there(outputs_, i); }
    size_t input_count() const override { return inputs_.size(); }
    size_t output_count() const override { return outputs_.size(); }
    Result<backends::TensorView> output(size_t i, const Shape&) override {
      return backends::TensorView{outputs_[i].dtype, ir::Layout::kPlain, &outputs_[i].shape,
                                  outputs_[i].plain.data()};
    }
    void* workspace() const override { return const_cast<std::byte*>(workspace_.data()); }
    backends::KernelState* state() const override { return state_.get(); }
    backends::Stream& stream() const override { return stream_; }
    ObjectPool& objects() override { return objects_; }
    Status run_region(size_t, const std::vector<backends::TensorView>&,
                      std::vector<backends::TensorView>&) override {
      return {StatusCode::kInternal, node_.op + " has no body here"};
    }

   private:
    struct Tensor {
      void* coded;
      Shape shape;
      DataType dtype;
      bool is_there;
      std::vector<std::byte> plain = {};
      size_t bytes() const {
        return is_there ? ir::storage_bytes(dtype, shape, ir::Layout::kPlain) : 0;
      }
    };

    static bool is_there(const std::vector<Tensor>& tensors, size_t i) {
      return i < tensors.size() && tensors[i].is_there;
    }

    const backends::NodeFacts& node_;
    backends::Stream& stream_;
    std::vector<Tensor> inputs_;
    std::vector<Tensor> outputs_;
    std::vector<backends::TensorView> views_;
    std::vector<std::byte> workspace_;
    std::unique_ptr<backends::KernelState> state_;
    ObjectPool objects_;
  };

  std::unique_ptr<backends::Kernel> kernel_;
  backends::NodeFacts node_;
};

class CodedTactic : public backends::Tactic {
 public:
  explicit CodedTactic(const std::string& op)
      : name_("coded." + op), host_(ops::cpu_backend()->find_tactic("reference." + op)) {}
  std::string_view name() const override { return name_; }
  backends::Offer offer(const backends::NodeFacts& node) const override {
    return backends::Offer::plain(node);
  }
  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(std::unique_ptr<backends::Kernel> kernel, host_->bind(node));
    return std::unique_ptr<backends::Kernel>(
        std::make_unique<CodedKernel>(std::move(kernel), node));
  }

 private:
  std::string name_;
  const backends::Tactic* host_;
};

class CodedSource : public backends::TacticSource {
 public:
  explicit CodedSource(const std::vector<std::string>& ops) {
    for (const std::string& op : ops) tactics_.push_back(std::make_unique<CodedTactic>(op));
  }
  std::string_view name() const override { return "coded"; }
  std::vector<const backends::Tactic*> tactics_for(std::string_view op) const override {
    const backends::Tactic* tactic = find("coded." + std::string(op));
    return tactic == nullptr ? std::vector<const backends::Tactic*>() : std::vector{tactic};
  }
  const backends::Tactic* find(std::string_view tactic) const override {
    for (const auto& known : tactics_) {
      if (known->name() == tactic) return known.get();
    }
    return nullptr;
  }

 private:
  std::vector<std::unique_ptr<CodedTactic>> tactics_;
};

// Runs the operators of the list.
class CodedBackend : public backends::Backend {
 public:
  explicit CodedBackend(const std::vector<std::string>& ops = {"Add", "Mul", "Copy"},
                        std::string kind = "coded", int number = 0)
      : kind_(std::move(kind)), number_(number), source_(ops) {}

  std::string_view name() const override { return kind_; }
  std::string device() const override { return kind_ + ":" + std::to_string(number_); }
  std::string product_name() const override { return "a stand-in"; }
  std::string fingerprint() const override { return kind_; }
  std::string instruction_set() const override { return "coded"; }
  bool supports_instruction_set(std::string_view name) const override { return name == "coded"; }
  Status health() const override { return lost_ ? lost_status() : Status::ok(); }
  Status copy_in(void* device, const void* host, size_t bytes, backends::Stream& stream) override {
    PENSTOCK_RETURN_IF_ERROR(check(can_reach(device) && !can_reach(host)));
    if (lies_in(locked_, host)) {
      coded(stream).submit([=] { recode(device, host, bytes); });
    } else {  // which may be changed when this returns
      const auto* first = static_cast<const std::byte*>(host);
      coded(stream).submit([=, copy = std::vector<std::byte>(first, first + bytes)] {
        recode(device, copy.data(), bytes);
      });
    }
    return Status::ok();
  }
  Status copy_out(void* host, const void* device, size_t bytes, backends::Stream& stream) override {
    PENSTOCK_RETURN_IF_ERROR(check(can_reach(device) && !can_reach(host)));
    coded(stream).submit([=] { recode(host, device, bytes); });
    return lies_in(locked_, host) ? Status::ok() : stream.flush();
  }
  Status copy_within(void* to, const void* from, size_t bytes, backends::Stream& stream) override {
    PENSTOCK_RETURN_IF_ERROR(check(can_reach(to) && can_reach(from)));
    coded(stream).submit([=] { std::memmove(to, from, bytes); });
    return Status::ok();
  }
  Status fill(void* device, uint8_t value, size_t bytes, backends::Stream& stream) override {
    coded(stream).submit([=] {
      const std::vector<uint8_t> plain(bytes, value);
      recode(device, plain.data(), bytes);
    });
    return Status::ok();
  }
  Result<backends::MemoryFacts> memory() const override {
    return backends::MemoryFacts{1 << 30, 1 << 29};
  }
  Status synchronize() override { return default_queue_.synchronize(); }
  bool is_host_memory() const override { return false; }
  bool can_reach(const void* address) const override { return lies_in(blocks_, address); }
  Result<std::unique_ptr<backends::Stream>> create_stream(int) override {
    return std::unique_ptr<backends::Stream>(std::make_unique<CodedStream>());
  }
  Result<std::unique_ptr<backends::Stream>> wrap_stream(void* native_handle) override {
    auto* queue = static_cast<backends::CpuStream*>(native_handle);
    return std::unique_ptr<backends::Stream>(
        std::make_unique<CodedStream>(queue == nullptr ? &default_queue_ : queue));
  }
  std::unique_ptr<backends::Event> create_event() override {
    return std::make_unique<CodedEvent>();
  }
  const std::vector<const backends::TacticSource*>& tactic_sources() const override {
    return sources_;
  }

  // As after an illegal address in a kernel: every call fails from here on.
  void lose() { lost_ = true; }
  // The bytes that the device has for this process; what does not fit fails.
  void set_capacity(size_t bytes) { capacity_ = bytes; }
  // Another device's, which neither this one nor the host reaches.
  void add_foreign(const void* address) { foreign_ = address; }
  Status check_address(const void* address) const override {
    if (address == nullptr || address != foreign_) return Status::ok();
    return {StatusCode::kInvalidArgument, "the address is memory of " + kind_ + ":7"};
  }

 protected:
  Result<void*> allocate_memory(size_t bytes) override {
    PENSTOCK_RETURN_IF_ERROR(health());
    if (bytes > capacity_) return Status(StatusCode::kOutOfMemory, "the device is full");
    capacity_ -= bytes;
    return take(blocks_, bytes);
  }
  void free_memory(void* memory) override { capacity_ += give_back(blocks_, memory); }
  Result<void*> allocate_staging_memory(size_t bytes) override {
    PENSTOCK_RETURN_IF_ERROR(health());
    return take(locked_, bytes);
  }
  void free_staging_memory(void* memory) override { give_back(locked_, memory); }

 private:
  using Blocks = std::map<std::byte*, size_t>;

  bool lies_in(const Blocks& blocks, const void* address) const {
    const auto* at = static_cast<const std::byte*>(address);
    const std::lock_guard lock(mutex_);
    auto after = blocks.upper_bound(const_cast<std::byte*>(at));
    if (after == blocks.begin()) return false;
    --after;
    return at < after->first + after->second;
  }
  void* take(Blocks& blocks, size_t bytes) {
    constexpr std::align_val_t kAlignment{64};
    auto* memory = static_cast<std::byte*>(::operator new(bytes == 0 ? 64 : bytes, kAlignment));
    const std::lock_guard lock(mutex_);
    blocks[memory] = bytes;
    return memory;
  }
  size_t give_back(Blocks& blocks, void* memory) {
    size_t bytes = 0;
    {
      const std::lock_guard lock(mutex_);
      auto found = blocks.find(static_cast<std::byte*>(memory));
      bytes = found->second;
      blocks.erase(found);
    }
    ::operator delete (memory, std::align_val_t{64});
    return bytes;
  }
  static Status lost_status() {
    return {StatusCode::kDeviceLost, "the device is lost: end this process and start it again"};
  }
  Status check(bool right) const {
    PENSTOCK_RETURN_IF_ERROR(health());
    if (right) return Status::ok();
    return {StatusCode::kInternal, "a copy between the wrong memories"};
  }

  std::string kind_;
  int number_;
  bool lost_ = false;
  std::atomic<size_t> capacity_ = size_t{1} << 40;
  const void* foreign_ = nullptr;
  mutable std::mutex mutex_;
  Blocks blocks_;
  Blocks locked_;  // page-locked, of the host
  backends::CpuStream default_queue_{1};
  CodedSource source_;
  std::vector<const backends::TacticSource*> sources_ = {&source_};
};

}  // namespace penstock::test
