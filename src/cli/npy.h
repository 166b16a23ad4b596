// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/tensor.h>

#include <filesystem>

namespace penstock::cli {

// NumPy's .npy files, format 1.0 to 3.0 (numpy.lib.format): C-order arrays of fixed-size types.
Result<Tensor> read_npy(const std::filesystem::path& path);
Status write_npy(const std::filesystem::path& path, DataType dtype, const Shape& shape,
                 const void* data);

}  // namespace penstock::cli
