// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "compiler/model.h"

namespace penstock::accuracy {

using compiler::Model;

// A layer that INT8 may compute.
struct Layer {
  std::string name;
  std::string op;
  std::string input;   // the value that it reads in 8 bits, as calibration names it
  std::string output;  // its result
};

// Those that the rules of the options leave free, in the order of the run. An error where there are
// none.
Result<std::vector<Layer>> free_layers(const Model& model, const BuildOptions& options);

// A rule that keeps this layer, and no other, in float32.
LayerPrecision keep_in_float(const std::string& layer);

}  // namespace penstock::accuracy
