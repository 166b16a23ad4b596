// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include "backends/backend.h"

namespace penstock::backends::cuda {

// An NVIDIA GPU. Memory is the card's, streams are CUDA streams.
class CudaBackend : public Backend {
 public:
  // An error where there is no such device, or no driver that is new enough.
  static Result<std::shared_ptr<CudaBackend>> create(int device,
                                                     std::vector<const TacticSource*> sources);

  std::string_view name() const override { return "cuda"; }
  std::string device() const override { return "cuda:" + std::to_string(device_); }
  std::string product_name() const override { return device_name_; }
  std::string fingerprint() const override;
  std::string instruction_set() const override;
  bool supports_instruction_set(std::string_view name) const override;
  Status health() const override;
  Status copy_in(void* device, const void* host, size_t bytes, Stream& stream) override;
  Status copy_out(void* host, const void* device, size_t bytes, Stream& stream) override;
  Status copy_within(void* to, const void* from, size_t bytes, Stream& stream) override;
  Status fill(void* device, uint8_t value, size_t bytes, Stream& stream) override;
  Result<MemoryFacts> memory() const override;
  int make_current() override;
  void restore_current(int device) override;
  Status synchronize() override;
  bool is_host_memory() const override { return false; }
  bool can_reach(const void* address) const override;
  Status check_address(const void* address) const override;
  Result<std::unique_ptr<Stream>> create_stream(int threads) override;
  Result<std::unique_ptr<Stream>> wrap_stream(void* native_handle) override;
  std::unique_ptr<Event> create_event() override;
  const std::vector<const TacticSource*>& tactic_sources() const override { return sources_; }

 protected:
  Result<void*> allocate_memory(size_t bytes) override;
  void free_memory(void* memory) override;
  Result<void*> allocate_staging_memory(size_t bytes) override;
  void free_staging_memory(void* memory) override;

 private:
  CudaBackend(int device, const cudaDeviceProp& properties,
              std::vector<const TacticSource*> sources);

  int device_;
  std::string device_name_;
  int compute_capability_;  // 90 for 9.0
  std::vector<const TacticSource*> sources_;
};

// Of the calling thread's device: 90 for 9.0.
int compute_capability();

}  // namespace penstock::backends::cuda
