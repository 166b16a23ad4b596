// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/signal/signal.h"

namespace penstock::ops {
namespace {

std::vector<int64_t> prime_factors(int64_t n) {
  std::vector<int64_t> factors;
  for (int64_t p = 2; p * p <= n; ++p) {
    for (; n % p == 0; n /= p) factors.push_back(p);
  }
  if (n > 1) factors.push_back(n);
  return factors;
}

}  // namespace

FourierTransform::FourierTransform(int64_t length, bool inverse)
    : roots_(static_cast<size_t>(length)), factors_(prime_factors(length)) {
  const double turn = (inverse ? 2 : -2) * std::numbers::pi / static_cast<double>(length);
  for (int64_t k = 0; k < length; ++k) roots_[k] = std::polar(1.0, turn * static_cast<double>(k));
  scratch_.resize(factors_.empty() ? 1 : *std::max_element(factors_.begin(), factors_.end()));
}

void FourierTransform::run(const Complex* x, Complex* y) { transform(x, 1, length(), 0, y); }

// Cooley and Tukey: p transforms of every p-th element, put together with the roots of unity.
void FourierTransform::transform(const Complex* x, int64_t stride, int64_t length, size_t factor,
                                 Complex* y) {
  if (length == 1) {
    *y = *x;
    return;
  }
  const int64_t p = factors_[factor];
  const int64_t part = length / p;
  for (int64_t r = 0; r < p; ++r) {
    transform(x + r * stride, stride * p, part, factor + 1, y + r * part);
  }
  const int64_t whole = this->length();
  for (int64_t k = 0; k < part; ++k) {
    for (int64_t r = 0; r < p; ++r) {
      scratch_[r] = y[r * part + k] * roots_[r * k * stride % whole];
    }
    for (int64_t q = 0; q < p; ++q) {
      Complex sum = 0.0;
      for (int64_t r = 0; r < p; ++r) sum += scratch_[r] * roots_[r * q % p * (whole / p)];
      y[q * part + k] = sum;
    }
  }
}

void write_spectrum(const FourierTransform::Complex* spectrum, int64_t bins, double scale,
                    int64_t parts, int64_t step, double* y) {
  for (int64_t k = 0; k < bins; ++k, y += step) {
    y[0] = spectrum[k].real() * scale;
    if (parts == 2) y[1] = spectrum[k].imag() * scale;
  }
}

}  // namespace penstock::ops
