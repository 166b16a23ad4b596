// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/wire_types.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(WireTypes, AreTritons) {
  EXPECT_EQ(wire_name(DataType::kFloat32), "FP32");
  EXPECT_EQ(wire_name(DataType::kString), "BYTES");
  EXPECT_EQ(wire_name(DataType::kFloat8E4M3FN), "");
  EXPECT_EQ(parse_wire_name("BF16"), DataType::kBFloat16);
  EXPECT_EQ(parse_wire_name("fp32"), DataType::kUndefined);
  EXPECT_EQ(parse_wire_name("FP8"), DataType::kUndefined);
  EXPECT_EQ(parse_wire_name(""), DataType::kUndefined);
}

TEST(WireTypes, ComeBack) {
  int named = 0;
  for (int type = 1; type < 128; ++type) {
    const std::string_view name = wire_name(static_cast<DataType>(type));
    if (name.empty()) continue;
    ++named;
    EXPECT_EQ(parse_wire_name(name), static_cast<DataType>(type)) << name;
  }
  EXPECT_EQ(named, 14);
}

}  // namespace
}  // namespace penstock
