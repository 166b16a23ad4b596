// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "import/node_importer.h"

namespace penstock::importer {

// Einsum as transposes, products and sums: a MatMul for each pair of operands that share a summed
// axis.
Status import_einsum(NodeImporter& node);

}  // namespace penstock::importer
