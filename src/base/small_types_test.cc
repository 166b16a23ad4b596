// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/small_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace penstock {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr SmallRounding kSaturate = {};
constexpr SmallRounding kOverflow = {.saturate = false};

constexpr DataType kFloat8s[] = {DataType::kFloat8E4M3FN, DataType::kFloat8E4M3FNUZ,
                                 DataType::kFloat8E5M2, DataType::kFloat8E5M2FNUZ};

TEST(SmallTypes, FloatsRoundTripEveryValue) {
  for (DataType type : {kFloat8s[0], kFloat8s[1], kFloat8s[2], kFloat8s[3], DataType::kFloat4E2M1,
                        DataType::kFloat8E8M0}) {
    for (int bits = 0; bits < 1 << small_bits(type); ++bits) {
      const float value = small_to_float(type, static_cast<uint8_t>(bits));
      if (std::isnan(value)) continue;
      EXPECT_EQ(small_from_double(type, value, kOverflow), bits) << to_string(type) << " " << value;
    }
  }
}

// Every value that lies half way between two neighbours goes to the even one.
TEST(SmallTypes, FloatsRoundToNearestEven) {
  for (DataType type : kFloat8s) {
    for (int bits = 0; bits < 0x7b; ++bits) {
      const double low = small_to_float(type, static_cast<uint8_t>(bits));
      const double high = small_to_float(type, static_cast<uint8_t>(bits + 1));
      const double middle = (low + high) / 2;
      const double step = (high - low) / 1024;
      EXPECT_EQ(small_from_double(type, middle), bits % 2 == 0 ? bits : bits + 1) << middle;
      EXPECT_EQ(small_from_double(type, middle - step), bits) << middle;
      EXPECT_EQ(small_from_double(type, middle + step), bits + 1) << middle;
    }
  }
}

// ONNX's tables of Cast.
TEST(SmallTypes, Float8E4M3Fn) {
  const DataType type = DataType::kFloat8E4M3FN;
  EXPECT_EQ(small_from_double(type, 1.0), 0x38);
  EXPECT_EQ(small_from_double(type, -448.0), 0xfe);
  EXPECT_EQ(small_from_double(type, 464.0, kOverflow), 0x7e);  // half way to 480: even
  EXPECT_EQ(small_from_double(type, 465.0, kOverflow), 0x7f);
  EXPECT_EQ(small_from_double(type, 465.0), 0x7e);
  EXPECT_EQ(small_from_double(type, -kInfinity), 0xfe);
  EXPECT_EQ(small_from_double(type, -kInfinity, kOverflow), 0xff);
  EXPECT_EQ(small_from_double(type, kNan), 0x7f);
  EXPECT_EQ(small_from_double(type, -0.0), 0x80);
  EXPECT_EQ(small_from_double(type, 0x1p-9), 0x01);
  EXPECT_EQ(small_from_double(type, 0x1p-10), 0x00);
  EXPECT_EQ(small_to_float(type, 0x7e), 448.0f);
  EXPECT_TRUE(std::isnan(small_to_float(type, 0xff)));
}

TEST(SmallTypes, Float8E4M3FnUz) {
  const DataType type = DataType::kFloat8E4M3FNUZ;
  EXPECT_EQ(small_from_double(type, 1.0), 0x40);
  EXPECT_EQ(small_from_double(type, 1000.0), 0x7f);
  EXPECT_EQ(small_from_double(type, -1000.0, kOverflow), 0x80);
  EXPECT_EQ(small_from_double(type, kNan), 0x80);
  EXPECT_EQ(small_from_double(type, -0.0), 0x00);
  EXPECT_EQ(small_from_double(type, -1e-9), 0x00);
  EXPECT_EQ(small_to_float(type, 0x7f), 240.0f);
  EXPECT_TRUE(std::isnan(small_to_float(type, 0x80)));
}

TEST(SmallTypes, Float8E5M2) {
  const DataType type = DataType::kFloat8E5M2;
  EXPECT_EQ(small_from_double(type, 1.0), 0x3c);
  EXPECT_EQ(small_from_double(type, kInfinity), 0x7b);
  EXPECT_EQ(small_from_double(type, -kInfinity, kOverflow), 0xfc);
  EXPECT_EQ(small_from_double(type, 70000.0, kOverflow), 0x7c);
  EXPECT_EQ(small_from_double(type, kNan), 0x7e);
  EXPECT_EQ(small_to_float(type, 0x7b), 57344.0f);
  EXPECT_EQ(small_to_float(type, 0xfc), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(small_to_float(type, 0x7d)));
}

TEST(SmallTypes, Float8E5M2FnUz) {
  const DataType type = DataType::kFloat8E5M2FNUZ;
  EXPECT_EQ(small_from_double(type, 1.0), 0x40);
  EXPECT_EQ(small_from_double(type, kInfinity), 0x7f);
  EXPECT_EQ(small_from_double(type, kInfinity, kOverflow), 0x80);
  EXPECT_EQ(small_to_float(type, 0x7f), 57344.0f);
}

TEST(SmallTypes, Float4) {
  const DataType type = DataType::kFloat4E2M1;
  const float values[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (uint8_t bits = 0; bits < 8; ++bits) {
    EXPECT_EQ(small_to_float(type, bits), values[bits]);
    EXPECT_EQ(small_to_float(type, bits | 8), -values[bits]);
  }
  EXPECT_EQ(small_from_double(type, 2.5), 4);
  EXPECT_EQ(small_from_double(type, 5.0), 6);
  EXPECT_EQ(small_from_double(type, 100.0, kOverflow), 7);
  EXPECT_EQ(small_from_double(type, -kInfinity), 15);
  EXPECT_EQ(small_from_double(type, kNan), 8);
}

TEST(SmallTypes, PowersOfTwo) {
  const DataType type = DataType::kFloat8E8M0;
  const SmallRounding down = {.power = PowerRounding::kDown};
  const SmallRounding nearest = {.saturate = false, .power = PowerRounding::kNearest};
  EXPECT_EQ(small_from_double(type, 1.0), 127);
  EXPECT_EQ(small_from_double(type, 1.1), 128);
  EXPECT_EQ(small_from_double(type, 1.9, down), 127);
  EXPECT_EQ(small_from_double(type, 1.5, nearest), 128);
  EXPECT_EQ(small_from_double(type, 1.4, nearest), 127);
  EXPECT_EQ(small_from_double(type, 0.0), 0);
  EXPECT_EQ(small_from_double(type, 0.0, nearest), 255);
  EXPECT_EQ(small_from_double(type, kInfinity), 254);
  EXPECT_EQ(small_from_double(type, kInfinity, nearest), 255);
  EXPECT_EQ(small_from_double(type, 0x1.8p127), 254);
  EXPECT_EQ(small_from_double(type, 0x1.8p127, nearest), 255);
  EXPECT_EQ(small_from_double(type, kNan), 255);
  EXPECT_EQ(small_to_float(type, 0), 0x1p-127f);
  EXPECT_TRUE(std::isnan(small_to_float(type, 255)));
}

TEST(SmallTypes, IntegersKeepTheirLowBits) {
  EXPECT_EQ(small_from_int64(DataType::kInt4, -1), 0x0f);
  EXPECT_EQ(small_to_int64(DataType::kInt4, 0x0f), -1);
  EXPECT_EQ(small_to_int64(DataType::kInt4, 0x38), -8);  // bits above are ignored
  EXPECT_EQ(small_to_int64(DataType::kInt4, small_from_int64(DataType::kInt4, 8)), -8);
  EXPECT_EQ(small_to_int64(DataType::kUInt4, small_from_int64(DataType::kUInt4, 17)), 1);
  EXPECT_EQ(small_to_int64(DataType::kInt2, small_from_int64(DataType::kInt2, 2)), -2);
  EXPECT_EQ(small_to_int64(DataType::kUInt2, small_from_int64(DataType::kUInt2, 7)), 3);
}

}  // namespace
}  // namespace penstock
