// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/tactic.h"
#include "ops/op_definition.h"

namespace penstock::ops {

// Facts of output i of a region.
ValueFacts region_output(const ir::Region& region, size_t i);

// What a carried sequence or optional holds after the last run of a body: what it held at first, or
// what the body gave.
Result<ir::ElementType> carried_element(const ir::ElementType* initial, const ir::Value& out);

// Copies a row-major tensor into output i of the node.
Status copy_to_output(backends::KernelRun& run, size_t i, const backends::TensorView& from);

extern const OpDefinition kIf;
extern const OpDefinition kLoop;
extern const OpDefinition kScan;

}  // namespace penstock::ops
