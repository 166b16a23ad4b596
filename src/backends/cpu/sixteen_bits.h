// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <optional>
#include <string_view>

namespace penstock::backends {

// Instructions that multiply floats of 16 bits.
struct SixteenBitInstructions {
  bool avx512_fp16 = false;
  bool avx512_bf16 = false;
  bool amx_bf16 = false;
  bool amx_fp16 = false;
};

// Those of this processor that oneDNN uses, capped by PENSTOCK_MAX_ISA.
SixteenBitInstructions sixteen_bit_instructions();

// A float of 16 bits to compute in, and with which instructions, as plans name them.
struct SixteenBitFloat {
  DataType type = DataType::kUndefined;
  std::string_view instruction_set;  // "avx512_bf16", "amx_bf16", "avx512_fp16", "amx_fp16"
};

// What asking for `asked` gets: kFloat16 stands for the faster of the two, float16 where they are
// equal; kBFloat16 for itself. Nothing where the processor has no such instructions.
std::optional<SixteenBitFloat> fastest_sixteen_bits(DataType asked,
                                                    const SixteenBitInstructions& has);

// The best instructions for products of that type; nothing where there are none.
std::optional<std::string_view> instructions_for(DataType type, const SixteenBitInstructions& has);
// Whether this processor has instructions for products of that type.
bool multiplies_sixteen_bits(DataType type);

// Whether `has` are enough for a plan of that instruction set; nothing where it names none of
// these.
std::optional<bool> has_sixteen_bits(std::string_view instruction_set,
                                     const SixteenBitInstructions& has);

}  // namespace penstock::backends
