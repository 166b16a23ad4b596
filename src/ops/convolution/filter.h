// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/op_definition.h"

namespace penstock::ops {

// What the shape rules of Conv and ConvTranspose have in common: operands of one floating type,
// x [N, C, spatial...], w [_, _, kernel...] of the same rank, bias [channels]. Gives the kernel's
// extents, which must be known.
Result<Shape> check_filter(const InferContext& context);
// The same of operands of any type and without a bias.
Result<Shape> kernel_extents(const InferContext& context);
// Errors where two extents are known and differ; `what` names them.
Status check_equal(const ir::Dim& a, const ir::Dim& b, std::string_view what);
// "w must be a multiple of the groups" and the like.
Result<int64_t> check_group(const InferContext& context, const ir::Dim& grouped);

}  // namespace penstock::ops
