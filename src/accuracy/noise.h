// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/accuracy.h>

namespace penstock::accuracy {

// Signal and noise of a value, summed over its elements.
struct Noise {
  double signal = 0;
  double noise = 0;

  void add(double expected, double actual) {
    signal += expected * expected;
    noise += (expected - actual) * (expected - actual);
  }
  // In decibels; of what is exact, kExact.
  double ratio() const;
};
inline constexpr double kExact = 200;

// Of all outputs of floats, each in shares of its own signal, so that none drowns another.
double output_ratio(const Arrays& expected, const Arrays& actual);

}  // namespace penstock::accuracy
