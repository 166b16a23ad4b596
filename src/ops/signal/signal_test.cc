// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Expected values by hand: transforms of impulses, constants and single waves.
#include "ops/signal/signal.h"

#include <cmath>
#include <numbers>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

constexpr Tolerance kClose = {1e-6, 1e-6};

ir::Attributes ints(std::initializer_list<std::pair<const char*, int64_t>> list) {
  ir::Attributes attributes;
  for (const auto& [name, value] : list) attributes.set(name, value);
  return attributes;
}

TEST(Dft, OfAnImpulseAndAConstant) {
  const OpCase impulse{"DFT", {}, {floats({1, 4, 1}, {1, 0, 0, 0})}};
  EXPECT_TRUE(
      matches(reference(impulse).at(0), floats({1, 4, 2}, {1, 0, 1, 0, 1, 0, 1, 0}), kClose));
  const OpCase later{"DFT", {}, {floats({1, 4, 1}, {0, 1, 0, 0})}};
  EXPECT_TRUE(
      matches(reference(later).at(0), floats({1, 4, 2}, {1, 0, 0, -1, -1, 0, 0, 1}), kClose));
  const OpCase onesided{"DFT", ints({{"onesided", 1}}), {floats({1, 5, 1}, {2, 2, 2, 2, 2})}};
  EXPECT_TRUE(matches(reference(onesided).at(0), floats({1, 3, 2}, {10, 0, 0, 0, 0, 0}), kClose));
}

TEST(Dft, LengthCutsOrFillsUp) {
  OpCase c{"DFT", {}, {floats({4, 1}, {1, 1, 1, 1}), int64s({}, {2}), int64s({}, {0})}};
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 2}, {2, 0, 0, 0}), kClose));
  c.inputs[0] = floats({1, 1}, {3});
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 2}, {3, 0, 3, 0}), kClose));
}

// The inverse of the transform is the signal, for lengths with all kinds of factors.
TEST(Dft, InverseUndoes) {
  for (const int64_t length : {1, 2, 3, 4, 6, 7, 12, 30, 49, 64, 97}) {
    const HostTensor x = random_tensor(DataType::kFloat32, {2, length, 3, 2}, 5);
    const OpCase forward{"DFT", ints({{"axis", 1}}), {x}};
    OpCase back{"DFT", ints({{"axis", 1}, {"inverse", 1}}), {reference(forward).at(0)}};
    EXPECT_TRUE(matches(reference(back).at(0), x, kClose)) << length;
  }
  for (const int64_t length : {2, 5, 8}) {
    const HostTensor x = random_tensor(DataType::kFloat32, {2, length, 1}, 5);
    const OpCase forward{"DFT", ints({{"onesided", 1}}), {x}};
    OpCase back{"DFT",
                ints({{"onesided", 1}, {"inverse", 1}}),
                {reference(forward).at(0), int64s({1}, {static_cast<double>(length)})}};
    EXPECT_TRUE(matches(reference(back).at(0), x, kClose)) << length;
  }
}

TEST(Dft, InfersExtents) {
  const Fact x = fact(DataType::kFloat32, "batch, n, 1");
  EXPECT_EQ(infer("DFT", {}, {x}).shape(), "[batch, n, 2]");
  EXPECT_EQ(infer("DFT", ints({{"onesided", 1}}), {x}).shape(), "[batch, floordiv(n, 2) + 1, 2]");
  const Fact spectrum = fact(DataType::kFloat32, "batch, 9, 2");
  EXPECT_EQ(infer("DFT", ints({{"onesided", 1}, {"inverse", 1}}), {spectrum}).shape(),
            "[batch, 16, 1]");
  EXPECT_FALSE(infer("DFT", ints({{"axis", 2}}), {x}).status.is_ok());
  EXPECT_FALSE(reference_status({"DFT", {}, {floats({1, 2, 1}, {1, 2}), int64s({}, {0})}}).is_ok());
  EXPECT_FALSE(
      reference_status({"DFT", {}, {floats({1, 2, 1}, {1, 2}), int64s({}, {1e18})}}).is_ok());
  EXPECT_FALSE(reference_status({"DFT", {}, {floats({1, 1, 3}, {1, 2, 3})}}).is_ok());
}

TEST(Stft, TransformsWindowedFrames) {
  OpCase c{
      "STFT", {}, {floats({1, 6, 1}, {1, 1, 2, 2, 3, 3}), int64s({}, {2}), floats({2}, {1, 0.5})}};
  EXPECT_TRUE(matches(reference(c).at(0),
                      floats({1, 3, 2, 2}, {1.5, 0, 0.5, 0, 3, 0, 1, 0, 4.5, 0, 1.5, 0}), kClose));
  c.inputs[1] = int64s({}, {0});
  EXPECT_FALSE(reference_status(c).is_ok());
  c.inputs[1] = int64s({}, {1});
  c.inputs[2] = floats({7}, std::vector<double>(7, 1));
  EXPECT_FALSE(reference_status(c).is_ok());
}

TEST(Stft, InfersFrames) {
  const Fact x = fact(DataType::kFloat32, "batch, 100, 1");
  const Fact step = constant_fact(int64s({}, {10}));
  const Fact window = fact(DataType::kFloat32, "16");
  EXPECT_EQ(infer("STFT", {}, {x, step, window}).shape(), "[batch, 9, 9, 2]");
  EXPECT_EQ(infer("STFT", ints({{"onesided", 0}}), {x, step, window}).shape(), "[batch, 9, 16, 2]");
}

OpCase mel(double bands, double length, double rate, double low, double high) {
  return {"MelWeightMatrix",
          {},
          {int64s({}, {bands}), int64s({}, {length}), int64s({}, {rate}), floats({}, {low}),
           floats({}, {high})}};
}

// The triangles begin, peak and end at bins 0, 0, 2 and 4 of a spectrum of 9.
TEST(MelWeightMatrix, IsMadeOfTriangles) {
  const std::vector<double> y = values_of(reference(mel(2, 16, 8192, 0, 4096)).at(0));
  ASSERT_EQ(y.size(), 18u);
  const std::vector<double> first = {y[0], y[2], y[4], y[6], y[8], y[10]};
  EXPECT_EQ(first, (std::vector<double>{1, 0.5, 0, 0, 0, 0}));
  const std::vector<double> second = {y[1], y[3], y[5], y[7], y[9], y[11]};
  EXPECT_EQ(second, (std::vector<double>{0, 0.5, 1, 0.5, 0, 0}));
}

TEST(MelWeightMatrix, BandsOutsideTheSpectrumAreErrors) {
  EXPECT_FALSE(reference_status(mel(2, 16, 8192, 0, 40960)).is_ok());
  EXPECT_FALSE(reference_status(mel(-1, 16, 8192, 0, 4096)).is_ok());
  EXPECT_FALSE(reference_status(mel(2, 16, 0, 0, 4096)).is_ok());
  EXPECT_FALSE(reference_status(mel(2, 16, 8192, -800, 4096)).is_ok());
}

}  // namespace
}  // namespace penstock::ops::test
