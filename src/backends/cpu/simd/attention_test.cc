// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0

#include "backends/cpu/simd/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "backends/cpu/simd/simd_test_util.h"

namespace penstock::simd {
namespace {

constexpr float kUntouched = -77.0f;
constexpr float kLowest = -3.40282347e38f;

std::vector<float> random_floats(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
  std::vector<float> v(n > 0 ? n : 0);
  for (float& x : v) x = uniform(random);
  return v;
}

// The plain steps in double.
std::vector<double> oracle_row(const AttentionArgs& a, int64_t i) {
  std::vector<double> p(a.keys), row(a.value_depth, 0.0);
  double top = -INFINITY;
  for (int64_t j = 0; j < a.keys; ++j) {
    double s = 0;
    for (int64_t d = 0; d < a.depth; ++d) {
      s += static_cast<double>(a.q[i * a.q_stride + d]) * a.k[j * a.k_stride + d];
    }
    s *= a.scale;
    for (const ScoreMask& mask : a.masks) {
      // Rounded, as in float: a huge negative mask swallows the score.
      if (mask.data != nullptr) s = static_cast<float>(s + mask.data[i * mask.row_stride + j]);
    }
    if (a.keep != nullptr && a.keep[i * a.keep_stride + j] == 0) s = -INFINITY;
    if (a.causal && j > i + a.causal_offset) s = -INFINITY;
    p[j] = s;
    top = std::max(top, s);
  }
  double total = 0;
  for (double& x : p) total += x = std::exp(x - top);
  for (int64_t j = 0; j < a.keys; ++j) {
    for (int64_t c = 0; c < a.value_depth; ++c) row[c] += p[j] / total * a.v[j * a.v_stride + c];
  }
  return row;
}

enum class Masks {
  kNone,
  kSharedRow,
  kTwo,
  kKeep,
  kKeepShared,
  kCausal,
  kFullyMasked,
  kKeepNothing
};

struct Problem {
  int64_t queries, keys, depth, value_depth;
  Masks masks = Masks::kNone;
  int64_t padding = 5;
  int64_t causal_offset = 0;
};

void check(const AttentionKernel& kernel, const Problem& p) {
  SCOPED_TRACE(testing::Message() << kernel.name << " " << p.queries << "x" << p.keys << "x"
                                  << p.depth << "x" << p.value_depth << " masks "
                                  << static_cast<int>(p.masks));
  AttentionArgs a{.keys = p.keys, .depth = p.depth, .value_depth = p.value_depth};
  a.q_stride = a.k_stride = p.depth + p.padding;
  a.v_stride = p.value_depth + p.padding;
  a.out_stride = p.value_depth + p.padding;
  // No padding after the last row: a read past it is out of bounds.
  const auto q = random_floats(p.queries * a.q_stride - p.padding, 1);
  const auto k = random_floats(p.keys * a.k_stride - p.padding, 2);
  const auto v = random_floats(p.keys * a.v_stride - p.padding, 3);
  auto mask = random_floats(p.queries * p.keys, 4);
  const auto bias = random_floats(p.queries * p.keys, 5);
  if (p.masks == Masks::kFullyMasked) mask.assign(mask.size(), kLowest);
  std::vector<uint8_t> keep(p.queries * p.keys);
  for (size_t i = 0; i < keep.size(); ++i)
    keep[i] = p.masks != Masks::kKeepNothing && (i * 7 + i / 3) % 5 != 0;
  a.q = q.data(), a.k = k.data(), a.v = v.data();
  a.scale = 1.0f / std::sqrt(static_cast<float>(p.depth));
  switch (p.masks) {
    case Masks::kNone: break;
    case Masks::kSharedRow: a.masks[0] = {mask.data(), 0}; break;
    case Masks::kFullyMasked: a.masks[0] = {mask.data(), p.keys}; break;
    case Masks::kTwo:
      a.masks[0] = {mask.data(), p.keys};
      a.masks[1] = {bias.data(), p.keys};
      break;
    case Masks::kKeep:
    case Masks::kKeepNothing: a.keep = keep.data(), a.keep_stride = p.keys; break;
    case Masks::kKeepShared: a.keep = keep.data(), a.keep_stride = 0; break;
    case Masks::kCausal: a.causal = true, a.causal_offset = p.causal_offset; break;
  }
  std::vector<float> out(p.queries * a.out_stride, kUntouched);
  a.out = out.data();
  std::vector<float> workspace(attention_workspace_floats(kernel, a), NAN);
  const int64_t step = attention_rows_per_call(kernel, 1, p.queries, 2);
  for (int64_t i = 0; i < p.queries; i += step) {
    kernel.run(a, i, std::min(i + step, p.queries), workspace.data());
  }
  for (int64_t i = 0; i < p.queries; ++i) {
    const std::vector<double> want = oracle_row(a, i);
    for (int64_t c = 0; c < a.out_stride; ++c) {
      const float got = out[i * a.out_stride + c];
      if (c >= p.value_depth)
        ASSERT_EQ(got, kUntouched);
      else if (p.keys == 0)
        ASSERT_EQ(got, 0.0f);
      else if (std::isnan(want[c]))
        ASSERT_TRUE(std::isnan(got)) << i << ", " << c << ": " << got;
      else
        ASSERT_NEAR(got, want[c], 4e-6) << i << ", " << c;
    }
  }
}

void check_all(const Problem& p) {
  for (const Isa isa : testable_isas()) check(attention_kernel(isa), p);
}

const int64_t kSizes[] = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 48, 63, 65, 100};

TEST(Attention, OddSizes) {
  for (const int64_t queries : kSizes) {
    for (const int64_t keys : kSizes) check_all({queries, keys, 32, 32});
  }
  for (const int64_t depth : kSizes) check_all({19, 21, depth, depth});
  for (const int64_t depth : {40, 64, 80, 96, 128}) check_all({50, 49, depth, depth});
  check_all({7, 9, 12, 35});
  check_all({0, 9, 12, 35});
  check_all({40, 0, 12, 35});
}

TEST(Attention, EveryMask) {
  for (const Masks masks : {Masks::kSharedRow, Masks::kTwo, Masks::kKeep, Masks::kKeepShared,
                            Masks::kCausal, Masks::kFullyMasked, Masks::kKeepNothing}) {
    for (const int64_t queries : {1, 6, 33, 49}) {
      for (const int64_t keys : {3, 49, 64, 600}) check_all({queries, keys, 32, 32, masks});
    }
  }
}

TEST(Attention, CausalOffsets) {
  for (const int64_t offset : {-50, -3, 5, 60}) {
    check_all({40, 70, 16, 16, Masks::kCausal, 0, offset});
  }
  check_all({1, 1100, 64, 64, Masks::kCausal, 0, 1099});
}

TEST(Attention, LongRowsGoBlockByBlock) {
  check_all({20, kAttentionKeyBlock, 16, 16});
  check_all({20, kAttentionKeyBlock + 1, 16, 16, Masks::kTwo});
  check_all({40, 3 * kAttentionKeyBlock - 5, 16, 24, Masks::kKeep});
  check_all({700, 700, 8, 8, Masks::kCausal});
}

// The first block of keys hidden, a later one seen: the running maximum starts at -inf.
TEST(Attention, FirstBlockFullyMasked) {
  for (const Isa isa : testable_isas()) {
    const AttentionKernel& kernel = attention_kernel(isa);
    const int64_t keys = 2 * kAttentionKeyBlock;
    AttentionArgs a{.keys = keys, .depth = 8, .value_depth = 8};
    a.q_stride = a.k_stride = a.v_stride = a.out_stride = 8;
    const auto q = random_floats(3 * 8, 1), k = random_floats(keys * 8, 2),
               v = random_floats(keys * 8, 3);
    std::vector<uint8_t> keep(keys, 0);
    for (int64_t j = keys - 20; j < keys; ++j) keep[j] = 1;
    std::vector<float> out(3 * 8);
    a.q = q.data(), a.k = k.data(), a.v = v.data(), a.keep = keep.data(), a.out = out.data();
    std::vector<float> workspace(attention_workspace_floats(kernel, a), NAN);
    kernel.run(a, 0, 3, workspace.data());
    for (int64_t i = 0; i < 3; ++i) {
      const auto want = oracle_row(a, i);
      for (int c = 0; c < 8; ++c) ASSERT_NEAR(out[i * 8 + c], want[c], 4e-6);
    }
  }
}

}  // namespace
}  // namespace penstock::simd
