// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/isa.h"

#include <strings.h>

#include <cstdio>
#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace penstock::simd {
namespace {

struct Machine {
  Isa isa = Isa::kBaseline;
  IsaFlags flags;
};

#if defined(__x86_64__)

struct CpuidLeaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidLeaf cpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidLeaf r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);  // leaves zeros if absent
  return r;
}

bool bit(uint32_t word, int index) { return (word >> index) & 1; }

// XCR0: which register states the operating system saves. Written out because the _xgetbv
// intrinsic needs -mxsave.
uint64_t saved_states() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

// Bit numbers: Intel SDM volume 2A, table 3-8 (CPUID), and volume 1, section 13.3 (XCR0).
Machine probe() {
  Machine machine;
  const CpuidLeaf leaf1 = cpuid(1, 0);
  if (!bit(leaf1.ecx, 27)) return machine;  // OSXSAVE: without it xgetbv faults
  const uint64_t states = saved_states();
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;
  const CpuidLeaf leaf7 = cpuid(7, 0), leaf7_1 = cpuid(7, 1);

  const bool avx2 = (states & kYmm) == kYmm && bit(leaf1.ecx, 28) && bit(leaf1.ecx, 12) &&
                    bit(leaf1.ecx, 29) && bit(leaf7.ebx, 5);
  if (!avx2) return machine;
  machine.isa = Isa::kAvx2;
  machine.flags.avx_vnni = bit(leaf7_1.eax, 4);

  const bool avx512 = (states & kZmm) == kZmm && bit(leaf7.ebx, 16) && bit(leaf7.ebx, 17) &&
                      bit(leaf7.ebx, 30) && bit(leaf7.ebx, 31);
  if (!avx512) return machine;
  machine.isa = Isa::kAvx512;
  machine.flags.avx512_vnni = bit(leaf7.ecx, 11);
  machine.flags.avx512_bf16 = bit(leaf7_1.eax, 5);
  machine.flags.avx512_fp16 = bit(leaf7.edx, 23);
  machine.flags.amx_tile = (states & kTiles) == kTiles && bit(leaf7.edx, 24);
  machine.flags.amx_int8 = machine.flags.amx_tile && bit(leaf7.edx, 25);
  machine.flags.amx_bf16 = machine.flags.amx_tile && bit(leaf7.edx, 22);
  return machine;
}

#else

Machine probe() { return {}; }

#endif

// The cap that PENSTOCK_MAX_ISA names; the newest instruction set where it is not set or no name.
Isa cap_of_environment() {
  const char* value = std::getenv("PENSTOCK_MAX_ISA");
  if (value == nullptr || *value == 0) return Isa::kAvx512;
  for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (strcasecmp(value, isa_name(isa)) == 0) return isa;
  }
  if (strcasecmp(value, "SSE4.2") == 0) return Isa::kBaseline;  // as plans spell it
  std::fprintf(stderr,
               "penstock: PENSTOCK_MAX_ISA is '%s', which is not SSE4, AVX2 or AVX512: ignored\n",
               value);
  return Isa::kAvx512;
}

Machine capped(Machine machine) {
  const Isa cap = cap_of_environment();
  if (machine.isa <= cap) return machine;
  const bool keep_avx_vnni = cap == Isa::kAvx2 && machine.flags.avx_vnni;
  machine = {cap, {}};
  machine.flags.avx_vnni = keep_avx_vnni;
  return machine;
}

const Machine& detected_machine() {
  static const Machine machine = probe();
  return machine;
}

const Machine& active_machine() {
  static const Machine machine = capped(detected_machine());
  return machine;
}

}  // namespace

Isa detect() { return detected_machine().isa; }
IsaFlags detect_flags() { return detected_machine().flags; }
Isa active() { return active_machine().isa; }
const IsaFlags& active_flags() { return active_machine().flags; }

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kBaseline: return "SSE4";
    case Isa::kAvx2: return "AVX2";
    case Isa::kAvx512: return "AVX512";
  }
  return "unknown";
}

}  // namespace penstock::simd
