// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/code_section.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace penstock::plan {
namespace {

using backends::CodeItem;
using backends::CodeView;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<CodeItem> sample() {
  return {{{1, 2}, "nvrtc", bytes_of("machine code")},
          {{1, 3}, "cudnn 91300", {}},
          {{2, 0}, "cudnn 91300", bytes_of(std::string(100, 'x'))}};
}

TEST(CodeSection, RoundTrip) {
  const std::vector<std::byte> section = write_code_section(sample());
  const Result<std::vector<CodeView>> views = read_code_section(section);
  ASSERT_TRUE(views.is_ok()) << views.status().message();
  ASSERT_EQ(views->size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    const CodeItem item = sample()[i];
    const CodeView& view = (*views)[i];
    EXPECT_EQ(view.key, item.key);
    EXPECT_EQ(view.maker, item.maker);
    EXPECT_TRUE(
        std::equal(view.bytes.begin(), view.bytes.end(), item.bytes.begin(), item.bytes.end()));
    EXPECT_EQ((view.bytes.data() - section.data()) % 64, 0);
  }
  EXPECT_EQ(write_code_section(sample()), section);
}

TEST(CodeSection, NothingIsEmpty) {
  EXPECT_TRUE(write_code_section({}).empty());
  EXPECT_TRUE(read_code_section({})->empty());
}

TEST(CodeSection, TruncationIsRefused) {
  const std::vector<std::byte> section = write_code_section(sample());
  for (size_t size = 1; size < section.size(); ++size) {
    EXPECT_FALSE(read_code_section(std::span(section).first(size)).is_ok()) << size;
  }
}

// Whatever stands in the records, an item that is accepted lies inside the section.
TEST(CodeSection, DamagedRecordsStayInside) {
  const std::vector<std::byte> section = write_code_section(sample());
  for (size_t at = 0; at < 64 * 4; ++at) {
    for (int value : {0x00, 0x01, 0x40, 0x7F, 0x80, 0xFF}) {
      std::vector<std::byte> damaged = section;
      damaged[at] = static_cast<std::byte>(value);
      const Result<std::vector<CodeView>> views = read_code_section(damaged);
      if (!views.is_ok()) {
        EXPECT_EQ(views.status().code(), StatusCode::kInvalidPlan);
        continue;
      }
      for (const CodeView& view : *views) {
        EXPECT_GE(view.bytes.data(), damaged.data());
        EXPECT_LE(view.bytes.data() + view.bytes.size(), damaged.data() + damaged.size());
      }
    }
  }
}

TEST(CodeSection, DisorderIsRefused) {
  std::vector<CodeItem> items = sample();
  std::swap(items[0], items[1]);
  EXPECT_EQ(read_code_section(write_code_section(items)).status().message(),
            "its device code is out of order; build the plan again");
  items = sample();
  items[0].maker.clear();
  EXPECT_EQ(read_code_section(write_code_section(items)).status().message(),
            "its device code does not say what made it; build the plan again");
}

}  // namespace
}  // namespace penstock::plan
