// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/tensor.h>

#include <filesystem>
#include <map>
#include <string>

namespace penstock::cli {

// The arrays of a NumPy .npz file by name, compressed or not (numpy.savez, savez_compressed).
// `wanted` tells the types that NumPy has no name for, as in read_npy.
Result<std::map<std::string, Tensor>> read_npz(const std::filesystem::path& path,
                                               const std::map<std::string, DataType>& wanted = {});

}  // namespace penstock::cli
