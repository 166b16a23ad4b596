// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/wire_types.h"

#include <algorithm>
#include <array>
#include <utility>

namespace penstock {
namespace {

constexpr std::array<std::pair<DataType, std::string_view>, 14> kWireNames = {{
    {DataType::kBool, "BOOL"},
    {DataType::kUInt8, "UINT8"},
    {DataType::kUInt16, "UINT16"},
    {DataType::kUInt32, "UINT32"},
    {DataType::kUInt64, "UINT64"},
    {DataType::kInt8, "INT8"},
    {DataType::kInt16, "INT16"},
    {DataType::kInt32, "INT32"},
    {DataType::kInt64, "INT64"},
    {DataType::kFloat16, "FP16"},
    {DataType::kFloat32, "FP32"},
    {DataType::kFloat64, "FP64"},
    {DataType::kString, "BYTES"},
    {DataType::kBFloat16, "BF16"},
}};

}  // namespace

std::string_view wire_name(DataType dtype) {
  const auto* const found = std::find_if(kWireNames.begin(), kWireNames.end(),
                                         [&](const auto& pair) { return pair.first == dtype; });
  return found == kWireNames.end() ? std::string_view() : found->second;
}

DataType parse_wire_name(std::string_view name) {
  const auto* const found = std::find_if(kWireNames.begin(), kWireNames.end(),
                                         [&](const auto& pair) { return pair.second == name; });
  return found == kWireNames.end() ? DataType::kUndefined : found->first;
}

}  // namespace penstock
