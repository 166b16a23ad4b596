// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/families.h"
#include "ops/vision/vision.h"

namespace penstock::ops {

OpList vision_ops() {
  return {&kResize, &kNonMaxSuppression, &kRoiAlign, &kGridSample, &kAffineGrid};
}

}  // namespace penstock::ops
