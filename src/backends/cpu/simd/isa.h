// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace penstock::simd {

// Ordered: a machine that runs one level runs every lower one.
enum class Isa : uint8_t {
  kBaseline,  // x86-64-v2, or any machine that is not x86
  kAvx2,      // AVX2, FMA, F16C
  kAvx512,    // AVX-512 F, BW, DQ, VL, and all of kAvx2
};

// Extensions that only some machines of a level have.
struct IsaFlags {
  bool avx_vnni = false;
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool avx512_fp16 = false;
  bool amx_tile = false;  // tile state granted by the processor; Linux still asks arch_prctl
  bool amx_int8 = false;
  bool amx_bf16 = false;
};

// What processor and operating system (XCR0) together offer.
Isa detect();
IsaFlags detect_flags();

// detect() and detect_flags() capped by PENSTOCK_MAX_ISA (SSE4, AVX2 or AVX512, in any case;
// another value is reported on stderr and caps nothing). The environment is read once, at the first
// call.
Isa active();
const IsaFlags& active_flags();

const char* isa_name(Isa isa);  // "SSE4", "AVX2", "AVX512": the values of PENSTOCK_MAX_ISA

}  // namespace penstock::simd
