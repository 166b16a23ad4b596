// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/convolve.h"

#include "ops/convolution/window.h"
#include "ops/reference_util.h"

namespace penstock::ops {

Result<Convolved> convolve(const ir::Attributes& attributes, const Shape& x_shape,
                           std::span<const double> x, const Shape& w_shape,
                           std::span<const double> w) {
  const Shape spatial = spatial_of(x_shape);
  PENSTOCK_ASSIGN_OR_RETURN(const Window window,
                            resolve_window(attributes, spatial_of(w_shape), spatial));
  PENSTOCK_ASSIGN_OR_RETURN(const Shape y_spatial, output_extents(window, spatial));
  const int64_t channels = w_shape[0];
  const int64_t channels_per_group = channels / attributes.get_int("group", 1);
  const int64_t depth = w_shape[1];
  const int64_t x_area = element_count(spatial);
  const int64_t y_area = element_count(y_spatial);
  const int64_t w_area = element_count(window.kernel);
  Convolved y;
  y.shape = {x_shape[0], channels};
  y.shape.insert(y.shape.end(), y_spatial.begin(), y_spatial.end());
  y.values.resize(element_count(y.shape));
  std::vector<Tap> taps;
  int64_t at = 0;
  for_each_index(y_spatial, [&](const std::vector<int64_t>& position) {
    taps_at(window, spatial, position, taps);
    for (int64_t n = 0; n < x_shape[0]; ++n) {
      for (int64_t m = 0; m < channels; ++m) {
        double sum = 0.0;
        for (int64_t c = 0; c < depth; ++c) {
          const int64_t x_channel = m / channels_per_group * depth + c;
          const double* x_plane = &x[(n * x_shape[1] + x_channel) * x_area];
          const double* w_plane = &w[(m * depth + c) * w_area];
          for (const Tap& tap : taps) sum += x_plane[tap.input] * w_plane[tap.kernel];
        }
        y.values[(n * channels + m) * y_area + at] = sum;
      }
    }
    ++at;
  });
  return y;
}

}  // namespace penstock::ops
