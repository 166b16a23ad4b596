// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "serve/error.h"
#include "serve/protos/inference.pb.h"

namespace penstock::serve {

// Settings of logs and traces that clients read and change, in Triton's names.
class Settings {
 public:
  // Traces are off, and stay so: what asks for more is an error.
  Answer<inference::TraceSettingResponse> trace(
      const inference::TraceSettingRequest& request) const;
  // Checks all of them before any is taken over.
  Answer<inference::LogSettingsResponse> log(const inference::LogSettingsRequest& request);
};

}  // namespace penstock::serve
