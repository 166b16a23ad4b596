// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "serve/grpc/front_end.h"

namespace penstock::cli {

// The options of `serve` about gRPC, by the names that Triton's have.
void add_grpc_options(CLI::App& command, serve::GrpcOptions& options, bool& allow);

}  // namespace penstock::cli
