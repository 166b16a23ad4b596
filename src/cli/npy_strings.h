// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>
#include <penstock/tensor.h>

#include <filesystem>
#include <istream>
#include <string>
#include <string_view>

namespace penstock::cli {

// Characters of each element of NumPy's type "<U5", which has four bytes for each; -1 for other
// types.
int64_t unicode_width(std::string_view descriptor);
// The elements of such an array: all of one width, filled up with zeros.
Result<Tensor> read_unicode(std::istream& file, const Shape& shape, int64_t width);
// The type and the bytes of the array that NumPy would have made of these strings.
std::string unicode_descriptor(const Shape& shape, const StringRef* strings);
std::string unicode_bytes(const Shape& shape, const StringRef* strings);

}  // namespace penstock::cli
