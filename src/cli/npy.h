// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/tensor.h>

#include <filesystem>
#include <istream>
#include <string>

namespace penstock::cli {

// NumPy's .npy files, format 1.0 to 3.0 (numpy.lib.format): C-order arrays of fixed-size types.
// NumPy has no bfloat16 nor the small types: their elements stand in files as bytes without a type
// ("|V1", "<V2"), as numpy.save writes ml_dtypes' arrays. They are read where `wanted` tells what
// they are, and so are unsigned integers of that size.
Result<Tensor> read_npy(const std::filesystem::path& path, DataType wanted = DataType::kUndefined);
// The same from a stream that can be sought in; `name` is for errors.
Result<Tensor> read_npy(std::istream& file, const std::string& name,
                        DataType wanted = DataType::kUndefined);
Status write_npy(const std::filesystem::path& path, DataType dtype, const Shape& shape,
                 const void* data);

}  // namespace penstock::cli
