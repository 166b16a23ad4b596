// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "import/node_importer.h"

namespace penstock::importer {

// Lowerings of the operators around attention, each in a file of its own.
Status import_attention(NodeImporter& node);
Status import_flex_attention(NodeImporter& node);
Status import_rotary_embedding(NodeImporter& node);
Status import_causal_conv(NodeImporter& node);

// Query heads that share a head of keys and values; an error where one count does not divide the
// other.
Result<int64_t> group_size(const NodeImporter& node, const ir::Dim& query_heads,
                           const ir::Dim& key_heads);

}  // namespace penstock::importer
