// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <memory>

namespace penstock {

namespace backends {
class Stream;
}

// An in-order queue on a device: what is enqueued runs in that order, beside other streams.
class Stream {
 public:
  // Waits until everything enqueued so far is done.
  Status synchronize();
  int threads() const;

 private:
  friend class Engine;
  friend class ExecutionContext;
  explicit Stream(std::shared_ptr<backends::Stream> stream) : stream_(std::move(stream)) {}

  std::shared_ptr<backends::Stream> stream_;
};

}  // namespace penstock
