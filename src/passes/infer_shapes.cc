// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/op_definition.h"
#include "passes/pass.h"

namespace penstock::passes {

// Types and shapes again from the front: what earlier passes folded may make more of them known.
Status infer_shapes(ir::Graph& graph) { return ops::infer_graph(graph); }

}  // namespace penstock::passes
