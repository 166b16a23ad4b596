// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "load/arrivals.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <random>
#include <string>

namespace penstock::load {
namespace {

constexpr double kNanoseconds = 1e9;
constexpr double kLongestSeconds = 1e6;

class Constant : public Arrivals {
 public:
  Constant(double rate, int index, int count) : rate_(rate), next_(index), step_(count) {}
  std::optional<uint64_t> next() override {
    const double time = next_ / rate_ * kNanoseconds;
    next_ += step_;
    return static_cast<uint64_t>(time);
  }

 private:
  double rate_;
  double next_;
  double step_;
};

class Poisson : public Arrivals {
 public:
  Poisson(double rate, uint64_t seed) : random_(seed), gap_(rate / kNanoseconds) {}
  std::optional<uint64_t> next() override {
    time_ += gap_(random_);
    return static_cast<uint64_t>(time_);
  }

 private:
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_;
  double time_ = 0;
};

class Recorded : public Arrivals {
 public:
  Recorded(std::shared_ptr<const std::vector<uint64_t>> times, int index, int count)
      : times_(std::move(times)),
        next_(static_cast<size_t>(index)),
        step_(static_cast<size_t>(count)) {}
  std::optional<uint64_t> next() override {
    if (next_ >= times_->size()) return std::nullopt;
    const uint64_t time = (*times_)[next_];
    next_ += step_;
    return time;
  }

 private:
  std::shared_ptr<const std::vector<uint64_t>> times_;
  size_t next_;
  size_t step_;
};

}  // namespace

std::unique_ptr<Arrivals> constant_arrivals(double rate, int index, int count) {
  return std::make_unique<Constant>(rate, index, count);
}

std::unique_ptr<Arrivals> poisson_arrivals(double rate, uint64_t seed, int index, int count) {
  return std::make_unique<Poisson>(rate / count, seed * 1000003 + static_cast<uint64_t>(index));
}

std::unique_ptr<Arrivals> recorded_arrivals(std::shared_ptr<const std::vector<uint64_t>> times,
                                            int index, int count) {
  return std::make_unique<Recorded>(std::move(times), index, count);
}

Result<std::vector<uint64_t>> read_arrivals(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) {
    return Status(StatusCode::kNotFound, "cannot read arrivals from '" + path.string() + "'");
  }
  std::vector<uint64_t> times;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    double seconds = -1;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), seconds);
    const bool whole = error == std::errc() && end == line.data() + line.size();
    if (!whole || !(seconds >= 0 && seconds <= kLongestSeconds)) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("'{}', line {}: '{}' is no time; a line is the seconds from the "
                                "start at which a request is sent, such as 0.0125",
                                path.string(), number, line.substr(0, 40)));
    }
    const auto time = static_cast<uint64_t>(std::llround(seconds * kNanoseconds));
    if (!times.empty() && time < times.back()) {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("'{}', line {}: earlier than the line before; sort the file",
                                path.string(), number));
    }
    times.push_back(time);
  }
  if (times.empty()) {
    return Status(StatusCode::kInvalidArgument, "no arrivals in '" + path.string() + "'");
  }
  return times;
}

}  // namespace penstock::load
