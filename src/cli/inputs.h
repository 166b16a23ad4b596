// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>
#include <penstock/value.h>

#include <map>
#include <string>
#include <vector>

namespace penstock::cli {

// Values for every input of an engine, from "name=file.npy", "name=folder" for a sequence,
// "name=none" for an optional and "name=random". Inputs that are not named are random. Shapes: the
// file's, else `shapes`, else the profile's opt shape.
Result<std::map<std::string, Value>> make_values(const Engine& engine,
                                                 const std::vector<std::string>& assignments,
                                                 const std::map<std::string, Shape>& shapes,
                                                 uint64_t seed);
// The same for models that take tensors only; an error for others.
Result<std::map<std::string, Tensor>> make_inputs(const Engine& engine,
                                                  const std::vector<std::string>& assignments,
                                                  const std::map<std::string, Shape>& shapes,
                                                  uint64_t seed);

}  // namespace penstock::cli
