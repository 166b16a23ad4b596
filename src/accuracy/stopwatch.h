// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/accuracy.h>

#include <memory>

namespace penstock::accuracy {

// Times engines beside a reference on the same inputs, taking turns, so that a processor whose
// clock changes slows both.
class Stopwatch {
 public:
  // `data` fills the inputs, at the opt batch of the reference's first profile.
  static Result<Stopwatch> create(const Engine& reference, const Arrays& data);
  Stopwatch(Stopwatch&&) noexcept;
  ~Stopwatch();

  struct Times {
    double milliseconds = 0;  // of the engine: the median of rounds
    double ratio = 1;  // the reference's time / the engine's: the median of the rounds' ratios
  };
  Result<Times> measure(const Engine& engine);

 private:
  struct State;
  explicit Stopwatch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace penstock::accuracy
