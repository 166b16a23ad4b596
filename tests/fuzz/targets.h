// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// What the fuzzers do with an input. A test runs the same functions over the inputs of corpus/,
// which once went wrong.
#pragma once

#include <cstdint>
#include <span>

namespace penstock::fuzz {

using Bytes = std::span<const uint8_t>;

// Bytes as an ONNX model: imported, and through all passes, whose result must verify.
void import_model(Bytes input);
// The same, then built and run twice on tensors that the field model_version is the seed of.
void run_model(Bytes input);
// Text as a graph: one that parses prints to a text that parses to the same text.
void parse_graph(Bytes input);
// Text as the program of a plan file whose checksums are right, and its programs resolved.
void load_plan(Bytes input);

}  // namespace penstock::fuzz
