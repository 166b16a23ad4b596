// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

namespace penstock::ops {

struct Window;

// A filter over images, as kernels have it.
struct DeviceWindow {
  int kernel_height = 1;
  int kernel_width = 1;
  int stride_height = 1;
  int stride_width = 1;
  int dilation_height = 1;
  int dilation_width = 1;
  int pad_top = 0;
  int pad_left = 0;
};

// Of two spatial axes; kUnsupported where a number is above 1024, beyond which offsets may
// overflow.
Status set_window(const Window& window, DeviceWindow& device);

}  // namespace penstock::ops
