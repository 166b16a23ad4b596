// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// Facts of output i of a region.
ValueFacts region_output(const ir::Region& region, size_t i);

// Copies a row-major tensor into output i of the node.
Status copy_to_output(backends::KernelRun& run, size_t i, const backends::TensorView& from);

extern const OpDefinition kIf;
extern const OpDefinition kLoop;
extern const OpDefinition kScan;

}  // namespace penstock::ops
