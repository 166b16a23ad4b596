// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <complex>
#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

extern const OpDefinition kDft;
extern const OpDefinition kStft;
extern const OpDefinition kMelWeightMatrix;

// The discrete Fourier transform of a fixed length, by its prime factors. Not scaled.
class FourierTransform {
 public:
  using Complex = std::complex<double>;

  // `length` is positive.
  FourierTransform(int64_t length, bool inverse);

  int64_t length() const { return static_cast<int64_t>(roots_.size()); }
  // y[k] = sum over n of x[n] e^(-2 pi i k n / length), with + for the inverse.
  void run(const Complex* x, Complex* y);

 private:
  void transform(const Complex* x, int64_t stride, int64_t length, size_t factor, Complex* y);

  std::vector<Complex> roots_;    // e^(-+ 2 pi i k / length)
  std::vector<int64_t> factors_;  // primes
  std::vector<Complex> scratch_;
};

// Writes the first `bins` of a spectrum, each times `scale`, `step` elements apart: real and
// imaginary part, or the real part alone where `parts` is 1.
void write_spectrum(const FourierTransform::Complex* spectrum, int64_t bins, double scale,
                    int64_t parts, int64_t step, double* y);

// The longest transform: what a length that comes with the data is checked against.
constexpr int64_t kMostFourierLength = int64_t{1} << 26;

}  // namespace penstock::ops
