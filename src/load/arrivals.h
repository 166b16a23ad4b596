// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace penstock::load {

// When requests are due, in nanoseconds from the start, never going back; nothing after the last.
class Arrivals {
 public:
  virtual ~Arrivals() = default;
  virtual std::optional<uint64_t> next() = 0;
};

// The share of worker `index` of `count` in `rate` requests a second. Of Poisson arrivals each has
// a Poisson process of its own, which together are one of the whole rate.
std::unique_ptr<Arrivals> constant_arrivals(double rate, int index, int count);
std::unique_ptr<Arrivals> poisson_arrivals(double rate, uint64_t seed, int index, int count);
// Every `count`-th time from the `index`-th on.
std::unique_ptr<Arrivals> recorded_arrivals(std::shared_ptr<const std::vector<uint64_t>> times,
                                            int index, int count);

// A text file with the seconds from the start of one request a line, in order; lines that begin
// with # are comments.
Result<std::vector<uint64_t>> read_arrivals(const std::filesystem::path& path);

}  // namespace penstock::load
