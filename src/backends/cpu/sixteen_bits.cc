// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/sixteen_bits.h"

#include "backends/cpu/onednn/onednn.h"

namespace penstock::backends {
namespace {

// From fast to slow: tiles do eight times the products of float32 a cycle and more, vectors of
// bfloat16 twice as many; those of float16 are widened to float32 first.
struct Entry {
  SixteenBitFloat what;
  bool SixteenBitInstructions::*has;
};
constexpr Entry kEntries[] = {
    {{DataType::kFloat16, "amx_fp16"}, &SixteenBitInstructions::amx_fp16},
    {{DataType::kBFloat16, "amx_bf16"}, &SixteenBitInstructions::amx_bf16},
    {{DataType::kBFloat16, "avx512_bf16"}, &SixteenBitInstructions::avx512_bf16},
    {{DataType::kFloat16, "avx512_fp16"}, &SixteenBitInstructions::avx512_fp16},
};

}  // namespace

SixteenBitInstructions sixteen_bit_instructions() {
  onednn::engine();  // caps the instruction set first
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto uses = [&](dnnl_cpu_isa_t wanted) {
    return (isa & static_cast<unsigned>(wanted)) == static_cast<unsigned>(wanted);
  };
  return {.avx512_fp16 = uses(dnnl_cpu_isa_avx512_core_fp16),
          .avx512_bf16 = uses(dnnl_cpu_isa_avx512_core_bf16),
          .amx_bf16 = uses(dnnl_cpu_isa_avx512_core_amx),
          .amx_fp16 = uses(dnnl_cpu_isa_avx512_core_amx_fp16)};
}

std::optional<SixteenBitFloat> fastest_sixteen_bits(DataType asked,
                                                    const SixteenBitInstructions& has) {
  for (const Entry& entry : kEntries) {
    const bool is_meant = asked == DataType::kFloat16 || entry.what.type == asked;
    if (is_meant && has.*entry.has) return entry.what;
  }
  return std::nullopt;
}

std::optional<std::string_view> instructions_for(DataType type, const SixteenBitInstructions& has) {
  for (const Entry& entry : kEntries) {
    if (entry.what.type == type && has.*entry.has) return entry.what.instruction_set;
  }
  return std::nullopt;
}

bool multiplies_sixteen_bits(DataType type) {
  return instructions_for(type, sixteen_bit_instructions()).has_value();
}

std::optional<bool> has_sixteen_bits(std::string_view instruction_set,
                                     const SixteenBitInstructions& has) {
  for (const Entry& entry : kEntries) {
    if (entry.what.instruction_set == instruction_set) return has.*entry.has;
  }
  return std::nullopt;
}

}  // namespace penstock::backends
