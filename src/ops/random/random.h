// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <random>

#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kRandomUniform;
extern const OpDefinition kRandomNormal;
extern const OpDefinition kMultinomial;

// The numbers that NumPy's RandomState draws from the same seed: Mersenne Twister MT19937 seeded
// with the low 32 bits of an integer, 53 bits of it for a number in [0, 1), Marsaglia's polar
// method for normal ones. Each run starts it anew; without a seed, from the system's entropy.
class RandomState {
 public:
  // Takes the attribute "seed" of a node.
  explicit RandomState(const ir::Attributes& attributes);

  double uniform();
  double normal();

 private:
  std::mt19937 generator_;
  std::optional<double> second_normal_;  // the method gives two at a time
};

}  // namespace penstock::ops
