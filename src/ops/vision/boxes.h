// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <algorithm>

#include "ir/attributes.h"

namespace penstock::ops {

// Boxes [batch, boxes, 4] and their scores [batch, classes, boxes].
inline Status check_boxes_and_scores(const Shape& boxes, const Shape& scores) {
  if (boxes.size() == 3 && boxes[2] == 4 && scores.size() == 3 && scores[0] == boxes[0] &&
      scores[2] == boxes[1]) {
    return Status::ok();
  }
  return {StatusCode::kInvalidArgument, "NonMaxSuppression: boxes " + to_string(boxes) +
                                            " do not fit scores " + to_string(scores)};
}

struct Box {
  float y0, x0, y1, x1;  // lower corner first
  float area() const { return (y1 - y0) * (x1 - x0); }
};

// ONNX's two forms: two opposite corners (y, x, y, x), or centre and size (x, y, width, height).
inline Box make_box(float a, float b, float c, float d, bool centred) {
  if (centred) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2};
  return {std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d)};
}

inline float intersection_over_union(const Box& a, const Box& b) {
  const float height = std::min(a.y1, b.y1) - std::max(a.y0, b.y0);
  const float width = std::min(a.x1, b.x1) - std::max(a.x0, b.x0);
  if (height <= 0.0f || width <= 0.0f || a.area() <= 0.0f || b.area() <= 0.0f) return 0.0f;
  const float shared = height * width;
  return shared / (a.area() + b.area() - shared);
}

}  // namespace penstock::ops
