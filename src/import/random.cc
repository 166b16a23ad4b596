// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/rules.h"

namespace penstock::importer {
namespace {

constexpr Rule kRules[] = {
    {"Bernoulli", 15, {1, 1}, 1, "dtype:i seed:f"},
    {"Multinomial", 7, {1, 1}, 1, "dtype:i sample_size:i seed:f"},
    {"RandomNormal", 1, {0, 0}, 1, "dtype:i mean:f scale:f seed:f shape:I"},
    {"RandomNormalLike", 1, {1, 1}, 1, "dtype:i mean:f scale:f seed:f"},
    {"RandomUniform", 1, {0, 0}, 1, "dtype:i high:f low:f seed:f shape:I"},
    {"RandomUniformLike", 1, {1, 1}, 1, "dtype:i high:f low:f seed:f"},
};

}  // namespace

RuleList random_rules() { return kRules; }

}  // namespace penstock::importer
