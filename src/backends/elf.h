// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/status.h>

#include <cstddef>
#include <span>

namespace penstock::backends {

// Whether the bytes are a 64-bit ELF file for this machine code (e_machine) whose headers and
// sections lie inside of them: those who load machine code from memory are not told its size.
Status check_elf(std::span<const std::byte> bytes, int machine);

inline constexpr int kElfCuda = 190;  // EM_CUDA

}  // namespace penstock::backends
