// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "backends/cpu/sixteen_bits.h"
#include "ops/testing.h"

// Cases of float32 made to cases of 16 bits.
namespace penstock::ops::test {

inline constexpr DataType kNarrowFloats[] = {DataType::kFloat16, DataType::kBFloat16};

// The case with `type` in place of float32, but for the inputs `kept`.
inline OpCase in_narrow_floats(OpCase c, DataType type, const std::vector<size_t>& kept = {}) {
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const bool stays = std::find(kept.begin(), kept.end(), i) != kept.end();
    if (stays || !c.inputs[i].storage || c.inputs[i].dtype != DataType::kFloat32) continue;
    c.inputs[i] = tensor(type, c.inputs[i].shape, values_of(c.inputs[i]));
  }
  for (DataType& output : c.output_types) {
    if (output == DataType::kFloat32) output = type;
  }
  return c;
}

// Counts what a library has no kernels for, which may be a few odd shapes.
struct Taken {
  int taken = 0;
  int refused = 0;
};

// expect_matches_reference() where the tactic takes the case; else prints why it does not.
inline void expect_matches_where_taken(const backends::Tactic& tactic, const OpCase& c,
                                       int64_t terms, Taken& count) {
  const std::vector<HostTensor> expected = reference(c);
  ASSERT_FALSE(expected.empty());
  const backends::Offer offer = tactic.offer(node_facts(c, expected));
  if (offer.forms.empty()) {
    ++count.refused;
    std::cout << tactic.name() << " of " << to_string(c.inputs[0].dtype) << " "
              << to_string(c.inputs[0].shape) << " refuses: " << offer.refusal << "\n";
    return;
  }
  ++count.taken;
  expect_gives(tactic, c, expected, terms);
}

// The types of 16 bits that this processor multiplies.
inline std::vector<DataType> multiplied_narrow_floats() {
  std::vector<DataType> types;
  for (DataType type : kNarrowFloats) {
    if (backends::multiplies_sixteen_bits(type)) types.push_back(type);
  }
  return types;
}

// Ends the test with a message where the processor has no instructions for 16 bits.
#define PENSTOCK_SKIP_WITHOUT_SIXTEEN_BITS()                                                   \
  if (::penstock::ops::test::multiplied_narrow_floats().empty()) {                             \
    GTEST_SKIP() << "this processor has neither AVX512_BF16, AVX512_FP16 nor AMX for 16 bits"; \
  }

}  // namespace penstock::ops::test
