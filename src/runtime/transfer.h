// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/backend.h"

namespace penstock::runtime {

// Moves a tensor between the memory of a device and the host's: what stands between nodes that run
// on different ones. Its config is the direction, "to_device" or "to_host".
class TransferTactic : public backends::Tactic {
 public:
  static constexpr std::string_view kName = "runtime.transfer";

  explicit TransferTactic(backends::Backend& device) : device_(device) {}

  std::string_view name() const override { return kName; }
  backends::Offer offer(const backends::NodeFacts& node) const override;
  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts& node) const override;

 private:
  backends::Backend& device_;
};

}  // namespace penstock::runtime
