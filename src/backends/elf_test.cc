// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "backends/elf.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace penstock::backends {
namespace {

// A header, one segment, and one section of 16 bytes.
std::vector<std::byte> sample() {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = kElfCuda;
  header.e_phoff = sizeof(header);
  header.e_phnum = 1;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_shoff = header.e_phoff + sizeof(Elf64_Phdr);
  header.e_shnum = 1;
  header.e_shentsize = sizeof(Elf64_Shdr);
  Elf64_Shdr section{};
  section.sh_type = SHT_PROGBITS;
  section.sh_offset = header.e_shoff + sizeof(section);
  section.sh_size = 16;
  Elf64_Phdr segment{};
  segment.p_offset = section.sh_offset;
  segment.p_filesz = section.sh_size;
  std::vector<std::byte> bytes(section.sh_offset + section.sh_size);
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::memcpy(bytes.data() + header.e_phoff, &segment, sizeof(segment));
  std::memcpy(bytes.data() + header.e_shoff, &section, sizeof(section));
  return bytes;
}

template <typename Field>
std::vector<std::byte> with(size_t offset, Field value) {
  std::vector<std::byte> bytes = sample();
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  return bytes;
}

TEST(Elf, WholeFilesAreTaken) { EXPECT_TRUE(check_elf(sample(), kElfCuda).is_ok()); }

TEST(Elf, TruncationIsRefused) {
  const std::vector<std::byte> bytes = sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(check_elf(std::span(bytes).first(size), kElfCuda).is_ok()) << size;
  }
}

TEST(Elf, OthersAreRefused) {
  EXPECT_FALSE(check_elf(sample(), EM_X86_64).is_ok());
  EXPECT_FALSE(check_elf(with(0, 'x'), kElfCuda).is_ok());
}

TEST(Elf, TablesOutsideAreRefused) {
  const uint64_t far = ~uint64_t{0} - 8;
  EXPECT_FALSE(check_elf(with(offsetof(Elf64_Ehdr, e_shoff), far), kElfCuda).is_ok());
  EXPECT_FALSE(check_elf(with(offsetof(Elf64_Ehdr, e_phoff), far), kElfCuda).is_ok());
  EXPECT_FALSE(check_elf(with(offsetof(Elf64_Ehdr, e_shnum), uint16_t{900}), kElfCuda).is_ok());
  const size_t segment = sizeof(Elf64_Ehdr);
  const size_t section = segment + sizeof(Elf64_Phdr);
  EXPECT_FALSE(check_elf(with(section + offsetof(Elf64_Shdr, sh_size), far), kElfCuda).is_ok());
  EXPECT_FALSE(check_elf(with(section + offsetof(Elf64_Shdr, sh_offset), far), kElfCuda).is_ok());
  EXPECT_FALSE(check_elf(with(segment + offsetof(Elf64_Phdr, p_filesz), far), kElfCuda).is_ok());
}

}  // namespace
}  // namespace penstock::backends
