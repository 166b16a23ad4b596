// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  penstock::fuzz::parse_graph({data, size});
  return 0;
}
