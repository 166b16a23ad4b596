// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/rules.h"

namespace penstock::importer {
namespace {

constexpr Rule kRules[] = {
    {"GRU",
     7,
     {3, 6},
     2,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i "
     "linear_before_reset:i"},
    {"LSTM",
     7,
     {3, 8},
     3,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
     "input_forget:i layout:i"},
    {"RNN",
     7,
     {3, 6},
     2,
     "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "
     "layout:i"},
};

}  // namespace

RuleList recurrent_rules() { return kRules; }

}  // namespace penstock::importer
