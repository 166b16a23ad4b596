// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>
#include <penstock/value.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "targets.h"

namespace penstock::fuzz {

// The same numbers from the same seed, everywhere (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  // Below `count`, which is positive.
  size_t below(size_t count) { return static_cast<size_t>(next() % count); }
  bool one_in(size_t count) { return below(count) == 0; }
  // Mostly small; now and then at the borders of types.
  int64_t integer();
  double real();

 private:
  uint64_t state_;
};

// The model_version of an ONNX model; any other bytes' length.
uint64_t seed_of(Bytes model);

// A value for each input of the engine, free extents small. Nothing where the fixed ones are large.
std::optional<std::map<std::string, Value>> random_inputs(const Engine& engine, Random& random);

}  // namespace penstock::fuzz
