// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tune/tuner.h"

namespace penstock::compiler {

// "12 of 480 nodes run on the CPU: NonMaxSuppression (3), TopK (1); `penstock inspect` shows them":
// of a build for another device. Empty where all run there.
std::string host_nodes_warning(const tune::Tuner& tuner);

}  // namespace penstock::compiler
