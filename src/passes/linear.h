// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "passes/rewriter.h"

namespace penstock::passes {

// A Conv, ConvTranspose or MatMul with constant weights and a constant bias or none, whose output
// channels can take a scale and an offset of their own.
struct Linear {
  ir::Node* node = nullptr;
  int64_t channels = 0;
  // Where the channels are in the value that was asked about: its rank, and the axis.
  size_t rank = 0;
  size_t channel_axis = 0;
};

// The linear node that computes `value`, directly or through a Transpose, and that nothing else
// uses on the way.
std::optional<Linear> find_linear(const ir::Value* value, const Rewriter& rewriter);

// The elements of a constant that, broadcast against the value `linear` was found for, varies along
// the channels only; one per channel.
std::optional<std::vector<double>> per_channel(const ir::Value* constant, const Linear& linear);

// y = linear becomes y * scale + offset, in the weights and the bias. An empty scale is all ones,
// an empty offset all zeros.
void fold_affine(Rewriter& rewriter, const Linear& linear, std::span<const double> scale,
                 std::span<const double> offset);

std::vector<double> to_doubles(const ir::Constant& constant);

}  // namespace penstock::passes
