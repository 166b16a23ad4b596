// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/backend.h"

namespace penstock::backends {

// The host processor. Memory is ordinary memory, streams are worker threads with teams.
class CpuBackend : public Backend {
 public:
  explicit CpuBackend(std::vector<const TacticSource*> sources) : sources_(std::move(sources)) {}

  std::string_view name() const override { return "cpu"; }
  std::string product_name() const override;
  std::string fingerprint() const override;
  std::string instruction_set() const override;
  bool supports_instruction_set(std::string_view name) const override;
  Status copy_in(void* device, const void* host, size_t bytes, Stream& stream) override;
  Status copy_out(void* host, const void* device, size_t bytes, Stream& stream) override;
  Status copy_within(void* to, const void* from, size_t bytes, Stream& stream) override;
  Status fill(void* device, uint8_t value, size_t bytes, Stream& stream) override;
  Result<MemoryFacts> memory() const override;
  bool is_host_memory() const override { return true; }
  Result<std::unique_ptr<Stream>> create_stream(int threads) override;
  std::unique_ptr<Event> create_event() override;
  const std::vector<const TacticSource*>& tactic_sources() const override { return sources_; }

 protected:
  Result<void*> allocate_memory(size_t bytes) override;
  void free_memory(void* memory) override;

 private:
  std::vector<const TacticSource*> sources_;
};

// The model name that the processor gives itself.
std::string processor_name();

}  // namespace penstock::backends
