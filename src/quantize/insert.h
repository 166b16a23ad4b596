// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/builder.h>
#include <penstock/calibration.h>

#include "ir/graph.h"

namespace penstock::quantize {

struct InsertOptions {
  // Values that were never negative are stored as uint8, which has twice the resolution there; else
  // all as int8.
  bool unsigned_activations = true;
  std::vector<LayerPrecision> layer_precisions;
};

// What became of the layers.
struct Inserted {
  int quantized = 0;              // layers that compute in 8 bits
  std::vector<std::string> kept;  // names of those that could and stay in float: they were asked to
};

// Puts QuantizeLinear and DequantizeLinear around what convolutions and products with constant
// weights read: activations by the table's ranges, one scale a value, weights with one for each
// output channel, symmetric. A value that is added to the result of such a convolution is read from
// its 8 bits as well. Errors name the layers and values that the table does not know, or knows
// nothing but zeros of.
Result<Inserted> insert_quantization(ir::Graph& graph, const CalibrationTable& table,
                                     const InsertOptions& options);

}  // namespace penstock::quantize
