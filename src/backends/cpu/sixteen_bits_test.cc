// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/sixteen_bits.h"

#include <gtest/gtest.h>

namespace penstock::backends {
namespace {

const SixteenBitInstructions kNone;
const SixteenBitInstructions kZen4 = {.avx512_bf16 = true};
const SixteenBitInstructions kSapphireRapids = {
    .avx512_fp16 = true, .avx512_bf16 = true, .amx_bf16 = true};
const SixteenBitInstructions kGraniteRapids = {
    .avx512_fp16 = true, .avx512_bf16 = true, .amx_bf16 = true, .amx_fp16 = true};

TEST(SixteenBits, Float16MeansTheFastest) {
  EXPECT_FALSE(fastest_sixteen_bits(DataType::kFloat16, kNone));
  EXPECT_EQ(fastest_sixteen_bits(DataType::kFloat16, kZen4)->instruction_set, "avx512_bf16");
  EXPECT_EQ(fastest_sixteen_bits(DataType::kFloat16, kSapphireRapids)->type, DataType::kBFloat16);
  EXPECT_EQ(fastest_sixteen_bits(DataType::kFloat16, kGraniteRapids)->type, DataType::kFloat16);
}

TEST(SixteenBits, BFloat16MeansItself) {
  EXPECT_FALSE(fastest_sixteen_bits(DataType::kBFloat16, kNone));
  EXPECT_FALSE(fastest_sixteen_bits(DataType::kBFloat16, {.avx512_fp16 = true}));
  const auto best = fastest_sixteen_bits(DataType::kBFloat16, kGraniteRapids);
  EXPECT_EQ(best->type, DataType::kBFloat16);
  EXPECT_EQ(best->instruction_set, "amx_bf16");
}

TEST(SixteenBits, PlansNeedWhatTheyWereTunedWith) {
  EXPECT_EQ(has_sixteen_bits("avx512", kSapphireRapids), std::nullopt);
  EXPECT_EQ(has_sixteen_bits("amx_bf16", kSapphireRapids), true);
  EXPECT_EQ(has_sixteen_bits("amx_bf16", kZen4), false);
  EXPECT_EQ(has_sixteen_bits("avx512_bf16", kSapphireRapids), true);
  EXPECT_EQ(has_sixteen_bits("amx_fp16", kSapphireRapids), false);
}

}  // namespace
}  // namespace penstock::backends
