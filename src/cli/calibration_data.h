// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/calibration.h>

#include <filesystem>
#include <memory>

#include "cli/calibration_images.h"

namespace penstock::cli {

// Calibration data from files, in batches of `batch` samples, or as many as the model fixes. `path`
// is a .npz file, or a folder of .npy files, with an array for each input of the model, named like
// it, samples along its first axis; or, for a model with one input, a folder of .npy files of other
// names, each one sample or several, taken in the order of their names; or a folder of images
// (open_images). Integers are widened. Errors name the file, and the inputs that it lacks.
Result<std::unique_ptr<CalibrationSource>> open_calibration_data(const std::filesystem::path& path,
                                                                 int64_t batch,
                                                                 ImagePreparation images);

}  // namespace penstock::cli
