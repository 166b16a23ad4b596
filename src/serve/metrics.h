// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "serve/repository.h"

namespace penstock::serve {

// All metrics in Prometheus' text format: Triton's names, and histograms beside them.
std::string write_metrics(const Repository& repository);

}  // namespace penstock::serve
