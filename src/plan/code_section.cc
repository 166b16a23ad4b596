// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/code_section.h"

#include <array>
#include <cstring>

namespace penstock::plan {
namespace {

constexpr uint64_t kAlignment = 64;

// Little-endian, as every machine this runs on.
struct Record {
  uint64_t key_high = 0;
  uint64_t key_low = 0;
  uint64_t offset = 0;  // from the section's start
  uint64_t bytes = 0;
  std::array<char, 32> maker = {};  // ends with a zero
};
static_assert(sizeof(Record) == 64);

uint64_t align(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t begin_of_items(uint64_t count) { return align(sizeof(uint64_t)) + count * sizeof(Record); }

Status refuse(const std::string& why) {
  return {StatusCode::kInvalidPlan, "its device code " + why + "; build the plan again"};
}

}  // namespace

std::vector<std::byte> write_code_section(const std::vector<backends::CodeItem>& items) {
  if (items.empty()) return {};
  const uint64_t count = items.size();
  uint64_t end = begin_of_items(count);
  std::vector<Record> records;
  for (const backends::CodeItem& item : items) {
    Record record{item.key.high, item.key.low, align(end), item.bytes.size(), {}};
    item.maker.copy(record.maker.data(), record.maker.size() - 1);
    end = record.offset + record.bytes;
    records.push_back(record);
  }
  std::vector<std::byte> section(end);
  std::memcpy(section.data(), &count, sizeof(count));
  for (size_t i = 0; i < records.size(); ++i) {
    std::memcpy(section.data() + begin_of_items(i), &records[i], sizeof(Record));
    if (items[i].bytes.empty()) continue;
    std::memcpy(section.data() + records[i].offset, items[i].bytes.data(), items[i].bytes.size());
  }
  return section;
}

Result<std::vector<backends::CodeView>> read_code_section(std::span<const std::byte> section) {
  std::vector<backends::CodeView> views;
  if (section.empty()) return views;
  uint64_t count = 0;
  if (section.size() < begin_of_items(0)) return refuse("is truncated");
  std::memcpy(&count, section.data(), sizeof(count));
  if (count > (section.size() - begin_of_items(0)) / sizeof(Record)) {
    return refuse("has fewer records than it says");
  }
  uint64_t end = begin_of_items(count);
  for (uint64_t i = 0; i < count; ++i) {
    Record record;
    std::memcpy(&record, section.data() + begin_of_items(i), sizeof(Record));
    const bool is_inside = record.offset >= end && record.offset % kAlignment == 0 &&
                           record.offset <= section.size() &&
                           record.bytes <= section.size() - record.offset;
    if (!is_inside) return refuse("lies outside of its section");
    end = record.offset + record.bytes;
    if (record.maker.front() == '\0' || record.maker.back() != '\0') {
      return refuse("does not say what made it");
    }
    const backends::CodeKey key{record.key_high, record.key_low};
    if (i > 0 && key <= views.back().key) return refuse("is out of order");
    views.push_back({key, record.maker.data(), section.subspan(record.offset, record.bytes)});
  }
  return views;
}

}  // namespace penstock::plan
