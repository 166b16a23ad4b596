// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/rules.h"

namespace penstock::importer {
namespace {

constexpr Rule kRules[] = {
    {"DequantizeLinear", 10, {2, 3}, 1, "axis:i block_size:i output_dtype:i"},
    {"DynamicQuantizeLinear", 11, {1, 1}, 3},
    {"QuantizeLinear",
     10,
     {2, 3},
     1,
     "axis:i block_size:i output_dtype:i ~precision:i ~saturate:i"},
};

}  // namespace

RuleList quantization_rules() { return kRules; }

}  // namespace penstock::importer
