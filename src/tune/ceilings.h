// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace penstock::tune {

// What a device reaches in the most favourable cases, measured.
struct Ceilings {
  double bytes_per_second = 0;  // read and written, of tensors too large for caches
  // Of matrix products, by "float32", "tf32", "float16", "bfloat16", "int8"; a multiplication with
  // its addition counts as two.
  std::map<std::string, double> operations_per_second;
};

// With the fastest of the backend's tactics for a large copy, and for a large square product of
// each of `precisions`, on a stream of `threads`. A precision that no fast kernel takes is left
// out.
Result<Ceilings> measure_ceilings(backends::Backend& backend, int threads,
                                  const std::vector<std::string>& precisions);

}  // namespace penstock::tune
