// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/names.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(Suggest, NamesTheNearest) {
  EXPECT_EQ(suggest("image", {"mask", "images"}),
            "did you mean 'images'? Known are: 'mask', 'images'");
}

TEST(Suggest, FarNamesAreOnlyListed) {
  EXPECT_EQ(suggest("zzzzzz", {"mask"}), "Known are: 'mask'");
  EXPECT_EQ(suggest("x", {}), "there are none");
}

}  // namespace
}  // namespace penstock
