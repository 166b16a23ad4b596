// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "ops/onednn_tactics.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

TEST(OnednnReorder, ConvertsBetweenAllLayouts) {
  for (const Shape& shape : {Shape{1, 16, 5, 7}, Shape{2, 19, 3, 3}, Shape{2, 3, 11}}) {
    for (const char* layout : {"plain", "channels_last", "blocked8", "blocked16"}) {
      SCOPED_TRACE(to_string(shape) + " to " + layout);
      OpCase c{"Reorder", {}, {random_tensor(DataType::kFloat32, shape, 1)}};
      c.attributes.set("layout", std::string(layout));
      expect_gives(onednn_reorder(), c, {c.inputs[0]});
    }
  }
}

}  // namespace
}  // namespace penstock::ops::test
