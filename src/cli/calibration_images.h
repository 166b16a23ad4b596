// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/calibration.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace penstock::cli {

// What pictures become in a model's input.
struct ImagePreparation {
  OptimizationProfile profile;                     // opt extents, where the model leaves them open
  std::map<std::string, InputContract> contracts;  // mean and deviation by the input's name
};

// Files of images below a folder, in the order of their names: by the ends of these, whatever case.
std::vector<std::filesystem::path> find_images(const std::filesystem::path& folder);

// Images for a model with one input, [N, C, H, W] or [N, H, W, C] of 3 channels (red, green, blue)
// or 1 (luma). Each is scaled until it covers the input's area, by a triangle filter as wide as the
// step between pixels, and cut around its middle; a float32 input gets (pixel / 255 - mean) /
// deviation, by default pixel / 255, a uint8 one the pixels. Errors name the file, or what of the
// input is no image.
std::unique_ptr<CalibrationSource> open_images(std::vector<std::filesystem::path> files,
                                               int64_t batch, ImagePreparation preparation);

}  // namespace penstock::cli
