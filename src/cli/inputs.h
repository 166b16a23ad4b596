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
// file's, else `shapes`, else the opt shape of `profile`, the first where that is
// kAutomaticProfile. Shape inputs that are not named hold what `shapes` gives for them, or the
// profile's opt values.
Result<std::map<std::string, Value>> make_values(const Engine& engine,
                                                 const std::vector<std::string>& assignments,
                                                 const std::map<std::string, Shape>& shapes,
                                                 uint64_t seed, int profile);
// The same for models that take tensors only; an error for others.
Result<std::map<std::string, Tensor>> make_inputs(const Engine& engine,
                                                  const std::vector<std::string>& assignments,
                                                  const std::map<std::string, Shape>& shapes,
                                                  uint64_t seed, int profile);

}  // namespace penstock::cli
