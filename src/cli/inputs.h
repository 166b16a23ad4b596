// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>
#include <penstock/tensor.h>

#include <map>
#include <string>
#include <vector>

namespace penstock::cli {

// Tensors for every input of an engine, from "name=file.npy" and "name=random". Inputs that are not
// named are random. Shapes: the file's, else `shapes`, else the profile's opt shape.
Result<std::map<std::string, Tensor>> make_inputs(const Engine& engine,
                                                  const std::vector<std::string>& assignments,
                                                  const std::map<std::string, Shape>& shapes,
                                                  uint64_t seed);

}  // namespace penstock::cli
