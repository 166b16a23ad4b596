// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/calibration.h>

#include "quantize/observation.h"

namespace penstock::quantize {

// The magnitude at which elements are clipped, chosen by `method`; at most the largest that was
// seen, and above 0 where any was. `percentile` is of kPercentile, in (0, 100].
double choose_threshold(const Observation& seen, CalibrationMethod method, double percentile);

}  // namespace penstock::quantize
