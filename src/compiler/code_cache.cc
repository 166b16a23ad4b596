// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/code_cache.h"

#include <xxhash.h>

#include <array>
#include <cstring>
#include <map>
#include <span>

#include "base/new_file.h"
#include "plan/code_section.h"

namespace penstock::compiler {
namespace {

// The file is this and a plan's section of device code.
struct Header {
  std::array<char, 8> magic = {'P', 'E', 'N', 'S', 'C', 'O', 'D', 'E'};
  uint64_t version = 1;
  uint64_t checksum = 0;  // of the section
  std::array<uint64_t, 5> padding = {};
};
static_assert(sizeof(Header) == 64);

// The section of a file; empty where it is none of ours.
std::span<const std::byte> section_of(std::span<const std::byte> file) {
  Header header;
  if (file.size() < sizeof(Header)) return {};
  std::memcpy(&header, file.data(), sizeof(Header));
  const Header expected;
  const std::span<const std::byte> section = file.subspan(sizeof(Header));
  const bool is_whole = header.magic == expected.magic && header.version == expected.version &&
                        header.checksum == XXH3_64bits(section.data(), section.size());
  return is_whole ? section : std::span<const std::byte>();
}

}  // namespace

Result<CodeCache> CodeCache::load(const std::filesystem::path& timing_cache) {
  CodeCache cache;
  if (timing_cache.empty()) return cache;
  cache.path_ = timing_cache;
  cache.path_ += ".code";
  std::error_code error;
  if (!std::filesystem::exists(cache.path_, error)) return cache;
  PENSTOCK_ASSIGN_OR_RETURN(cache.file_, MappedFile::open(cache.path_));
  Result<std::vector<backends::CodeView>> views =
      plan::read_code_section(section_of(cache.file_->data()));
  if (views.is_ok()) cache.views_ = *std::move(views);
  return cache;
}

Status CodeCache::save(const std::vector<backends::CodeItem>& made) const {
  if (path_.empty()) return Status::ok();
  std::map<backends::CodeKey, backends::CodeItem> all;
  for (const backends::CodeView& view : views_) {
    all[view.key] = {view.key, view.maker, {view.bytes.begin(), view.bytes.end()}};
  }
  bool has_new = false;
  for (const backends::CodeItem& item : made) {
    backends::CodeItem& known = all[item.key];
    if (known.maker == item.maker && known.bytes == item.bytes) continue;
    known = item;
    has_new = true;
  }
  if (!has_new) return Status::ok();
  std::vector<backends::CodeItem> items;
  for (auto& [key, item] : all) items.push_back(std::move(item));
  const std::vector<std::byte> section = plan::write_code_section(items);
  Header header;
  header.checksum = XXH3_64bits(section.data(), section.size());
  NewFile file(path_);
  file.write(&header, sizeof(header));
  file.write(section.data(), section.size());
  return file.commit();
}

}  // namespace penstock::compiler
