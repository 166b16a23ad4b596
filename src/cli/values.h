// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/value.h>

#include <filesystem>
#include <string>

namespace penstock::cli {

// A tensor from a .npy file; a sequence from a folder that holds 0.npy, 1.npy, ... `wanted` tells
// the type of elements that NumPy has no name for (see read_npy).
Result<Value> read_value(const std::filesystem::path& path, DataType wanted = DataType::kUndefined);
// Writes `name`.npy, or the folder `name` for a sequence, into `folder`; nothing for nothing. The
// answer is where it is.
Result<std::string> write_value(const std::filesystem::path& folder, const std::string& name,
                                const Value& value);
// "float32[2, 3]", "sequence of 2: float32[2], float32[3]", "nothing".
std::string describe_value(const Value& value);

}  // namespace penstock::cli
