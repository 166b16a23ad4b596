// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/elf.h"

#include <elf.h>

#include <cstring>

namespace penstock::backends {
namespace {

Status refuse(const char* why) {
  return {StatusCode::kInvalidPlan, std::string("machine code that ") + why};
}

// A table of `count` records of `each` bytes.
bool is_inside(uint64_t size, uint64_t offset, uint64_t count, uint64_t each) {
  return offset <= size && (count == 0 || each <= (size - offset) / count);
}

}  // namespace

Status check_elf(std::span<const std::byte> bytes, int machine) {
  Elf64_Ehdr header;
  if (bytes.size() < sizeof(header)) return refuse("is truncated");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != machine) {
    return refuse("is none for this device");
  }
  const bool has_tables =
      (header.e_shnum == 0 || header.e_shentsize == sizeof(Elf64_Shdr)) &&
      (header.e_phnum == 0 || header.e_phentsize == sizeof(Elf64_Phdr)) &&
      is_inside(bytes.size(), header.e_shoff, header.e_shnum, sizeof(Elf64_Shdr)) &&
      is_inside(bytes.size(), header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr));
  if (!has_tables || header.e_shnum == 0) return refuse("is truncated");
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, bytes.data() + header.e_shoff + i * sizeof(section), sizeof(section));
    if (section.sh_type == SHT_NOBITS || section.sh_type == SHT_NULL) continue;
    if (!is_inside(bytes.size(), section.sh_offset, 1, section.sh_size)) {
      return refuse("has a section outside of it");
    }
  }
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (!is_inside(bytes.size(), segment.p_offset, 1, segment.p_filesz)) {
      return refuse("has a segment outside of it");
    }
  }
  return Status::ok();
}

}  // namespace penstock::backends
