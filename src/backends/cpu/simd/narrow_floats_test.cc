// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/narrow_floats.h"

#include <numeric>

#include "backends/cpu/simd/simd_test_util.h"
#include "base/half.h"

namespace penstock::simd {
namespace {

class NarrowFloats : public testing::TestWithParam<Isa> {};

INSTANTIATE_TEST_SUITE_P(EveryIsa, NarrowFloats, testing::ValuesIn(testable_isas()),
                         [](const auto& info) { return isa_name(info.param); });

float widened(NarrowFloat type, uint16_t bits) {
  if (type == NarrowFloat::kBFloat16) return std::bit_cast<float>(uint32_t{bits} << 16);
  Half half;
  half.bits = bits;
  return static_cast<float>(half);
}

uint16_t narrowed(NarrowFloat type, float value) {
  return type == NarrowFloat::kFloat16 ? Half(value).bits : BFloat16(value).bits;
}

TEST_P(NarrowFloats, EveryValueIsWidenedExactlyAndComesBack) {
  std::vector<uint16_t> all(65536);
  std::iota(all.begin(), all.end(), uint16_t{0});
  const NarrowFloatKernels& kernels = narrow_float_kernels(GetParam());
  for (const NarrowFloat type : {NarrowFloat::kFloat16, NarrowFloat::kBFloat16}) {
    std::vector<float> wide(all.size());
    kernels.widen(type, all.data(), wide.data(), 65536);
    std::vector<uint16_t> back(all.size());
    kernels.narrow(type, wide.data(), back.data(), 65536);
    for (size_t i = 0; i < all.size(); ++i) {
      const float expected = widened(type, all[i]);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(wide[i]) && std::isnan(widened(type, back[i]))) << i;
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(wide[i]), std::bit_cast<uint32_t>(expected)) << i;
        ASSERT_EQ(back[i], all[i]);
      }
    }
  }
}

TEST_P(NarrowFloats, RoundsToNearestEven) {
  std::vector<float> values = {INFINITY, -INFINITY, 65504.0f, 65519.9f,
                               65520.0f, 3.4e38f,   -3.4e38f};
  for (uint32_t bits = 1; bits < 0x7f800000u; bits += 4999) {
    values.push_back(std::bit_cast<float>(bits));
    values.push_back(-values.back());
  }
  const auto n = static_cast<int64_t>(values.size());
  std::vector<uint16_t> actual(values.size());
  for (const NarrowFloat type : {NarrowFloat::kFloat16, NarrowFloat::kBFloat16}) {
    narrow_float_kernels(GetParam()).narrow(type, values.data(), actual.data(), n);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(actual[i], narrowed(type, values[i])) << values[i];
    }
  }
}

TEST_P(NarrowFloats, WritesNothingBeyondTheRow) {
  const NarrowFloatKernels& kernels = narrow_float_kernels(GetParam());
  for (int64_t n = 0; n < 40; ++n) {
    const std::vector<uint16_t> x(static_cast<size_t>(n), 0x3c00);
    Buffer wide(n);
    kernels.widen(NarrowFloat::kFloat16, x.data(), wide.get(), n);
    EXPECT_TRUE(wide.intact());
    std::vector<uint16_t> back(static_cast<size_t>(n) + 20, 0xabcd);
    kernels.narrow(NarrowFloat::kFloat16, wide.get(), back.data(), n);
    for (int64_t i = 0; i < n + 20; ++i) EXPECT_EQ(back[i], i < n ? 0x3c00 : 0xabcd);
  }
}

}  // namespace
}  // namespace penstock::simd
