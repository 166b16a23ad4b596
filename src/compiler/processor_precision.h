// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "backends/cpu/sixteen_bits.h"
#include "ir/graph.h"
#include "tune/tuner.h"

namespace penstock::compiler {

// What became of a wish for 16 bits on a processor.
struct ProcessorPrecision {
  std::string log;      // how many nodes
  std::string warning;  // where the plan computes in another type than was asked for
};

// Computes in 16 bits what is faster so, casts included, by measurement under the tuning options of
// each profile. `asked` is kFloat16 or kBFloat16, `has` what the processor multiplies in.
Result<ProcessorPrecision> lower_for_processor(ir::Graph& graph, DataType asked,
                                               const backends::SixteenBitInstructions& has,
                                               backends::Backend& backend,
                                               const std::vector<tune::TuneOptions>& profiles,
                                               tune::TimingCache& cache);

// The instructions that products of 16-bit floats in the graph need, as plans name them; empty
// where there are none, or the processor leaves them to reference kernels.
std::string sixteen_bit_products(const ir::Graph& graph,
                                 const backends::SixteenBitInstructions& has);

}  // namespace penstock::compiler
