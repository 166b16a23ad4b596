// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_backend.h"

#include <cpuid.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>

#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/isa.h"
#include "backends/cpu/sixteen_bits.h"
#include "base/processors.h"

namespace penstock::backends {
namespace {

constexpr std::align_val_t kAlignment{64};

// When the host reached a point of the queue. Each record makes a point of its own, which those who
// wait for it keep.
class CpuEvent : public Event {
 public:
  Status record(Stream& stream) override {
    point_ = std::make_shared<Point>();
    stream.enqueue([point = point_] { point->reach(); });
    return Status::ok();
  }
  Status wait() override { return waiter()(); }
  std::function<Status()> waiter() override {
    return [point = point_] {
      if (point != nullptr) point->wait();
      return Status::ok();
    };
  }
  Result<bool> is_reached() override { return point_ == nullptr || point_->is_reached(); }
  Result<double> elapsed_ms(const Event& earlier) const override {
    const auto* other = dynamic_cast<const CpuEvent*>(&earlier);
    if (other == nullptr || other->point_ == nullptr || point_ == nullptr) {
      return Status(StatusCode::kInvalidArgument,
                    "time between events: record both on streams of one device first");
    }
    return std::chrono::duration<double, std::milli>(point_->wait() - other->point_->wait())
        .count();
  }

 private:
  class Point {
   public:
    void reach() {
      {
        std::lock_guard lock(mutex_);
        time_ = std::chrono::steady_clock::now();
        reached_ = true;
      }
      changed_.notify_all();
    }
    std::chrono::steady_clock::time_point wait() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return reached_; });
      return time_;
    }
    bool is_reached() {
      std::lock_guard lock(mutex_);
      return reached_;
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool reached_ = false;
    std::chrono::steady_clock::time_point time_;
  };

  std::shared_ptr<Point> point_;
};

int strength(std::string_view instruction_set) {
  if (instruction_set == "sse4.2") return 0;
  if (instruction_set == "avx2") return 1;
  if (instruction_set == "avx512") return 2;
  return 99;
}

}  // namespace

std::string processor_name() {
  char brand[49] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    unsigned r[4] = {};
    if (__get_cpuid(0x80000002u + leaf, &r[0], &r[1], &r[2], &r[3]) == 0) return "unknown";
    std::memcpy(brand + 16 * leaf, r, 16);
  }
  std::string name(brand);
  name.erase(0, name.find_first_not_of(' '));
  name.erase(name.find_last_not_of(' ') + 1);
  return name;
}

std::string CpuBackend::instruction_set() const {
  switch (simd::active()) {
    case simd::Isa::kBaseline: return "sse4.2";
    case simd::Isa::kAvx2: return "avx2";
    case simd::Isa::kAvx512: return "avx512";
  }
  return "sse4.2";
}

bool CpuBackend::supports_instruction_set(std::string_view name) const {
  const std::optional<bool> known = has_sixteen_bits(name, sixteen_bit_instructions());
  if (known) return *known;
  return strength(name) <= strength(instruction_set());
}

std::string CpuBackend::fingerprint() const {
  return "cpu:" + processor_name() + ":" + instruction_set();
}

std::string CpuBackend::product_name() const { return processor_name(); }

Result<MemoryFacts> CpuBackend::memory() const {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  MemoryFacts facts{page * static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)),
                    page * static_cast<uint64_t>(::sysconf(_SC_AVPHYS_PAGES))};
  // What the kernel can take back from its caches is free as well.
  std::ifstream lines("/proc/meminfo");
  std::string word;
  uint64_t kibibytes = 0;
  while (lines >> word) {
    if (word == "MemAvailable:" && lines >> kibibytes) facts.free = kibibytes * 1024;
  }
  return facts;
}

Result<void*> CpuBackend::allocate_memory(size_t bytes) {
  void* memory = ::operator new(bytes == 0 ? 64 : bytes, kAlignment, std::nothrow);
  if (memory != nullptr) return memory;
  return Status(StatusCode::kOutOfMemory, "the system has no more memory");
}

void CpuBackend::free_memory(void* memory) { ::operator delete(memory, kAlignment); }

Status CpuBackend::copy_in(void* device, const void* host, size_t bytes, Stream& stream) {
  stream.enqueue([=] { std::memcpy(device, host, bytes); });
  return Status::ok();
}

Status CpuBackend::copy_out(void* host, const void* device, size_t bytes, Stream& stream) {
  stream.enqueue([=] { std::memcpy(host, device, bytes); });
  return Status::ok();
}

Status CpuBackend::copy_within(void* to, const void* from, size_t bytes, Stream& stream) {
  return copy_in(to, from, bytes, stream);
}

Status CpuBackend::fill(void* device, uint8_t value, size_t bytes, Stream& stream) {
  stream.enqueue([=] { std::memset(device, value, bytes); });
  return Status::ok();
}

Result<std::unique_ptr<Stream>> CpuBackend::create_stream(int threads) {
  if (threads < 0 || threads > 4096) {
    return Status(StatusCode::kInvalidArgument,
                  "a stream of " + std::to_string(threads) + " threads; give 0 (all) to 4096");
  }
  return std::unique_ptr<Stream>(
      std::make_unique<CpuStream>(threads == 0 ? processor_count() : threads));
}

std::unique_ptr<Event> CpuBackend::create_event() { return std::make_unique<CpuEvent>(); }

}  // namespace penstock::backends
