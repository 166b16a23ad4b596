// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <string>
#include <vector>

namespace penstock::importer {

// The axes of a tensor by name: a letter's code, or -1, -2, ... for the axes that an ellipsis
// stands for, counted from its last.
using Labels = std::vector<int>;

struct EinsumEquation {
  std::vector<Labels> inputs;
  Labels output;
};

// Reads "ij,jk->ik", "...ij->...ji", "ij,ij"; `ranks` are those of the operands.
Result<EinsumEquation> parse_einsum(const std::string& equation, const std::vector<size_t>& ranks);

}  // namespace penstock::importer
