// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "cli/values.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "cli/npy.h"

namespace penstock::cli {
namespace {

using testing::ElementsAre;

class Values : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("values_" + std::to_string(::getpid()));
};

Tensor strings(const std::vector<std::string_view>& values) {
  return Tensor::from_strings({static_cast<int64_t>(values.size())}, values);
}

TEST_F(Values, StringsAreUnicodeArrays) {
  const Tensor tensor = strings({"a", "caf\xC3\xA9", "", "\xF0\x9F\x98\x80"});
  const Result<std::string> path = write_value(folder_, "a/b", tensor);
  ASSERT_TRUE(path.is_ok()) << path.status().message();
  EXPECT_EQ(*path, (folder_ / "a_b.npy").string());
  std::ifstream file(*path, std::ios::binary);
  std::string header(60, '\0');
  file.read(header.data(), 60);
  EXPECT_NE(header.find("'descr': '<U4'"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(*path) % 64, 4U * 4U * 4U % 64);
  const Result<Value> back = read_value(*path);
  ASSERT_TRUE(back.is_ok()) << back.status().message();
  EXPECT_THAT(back->tensor().strings(), ElementsAre("a", "caf\xC3\xA9", "", "\xF0\x9F\x98\x80"));
}

TEST_F(Values, SequencesAreFolders) {
  const Tensor one(DataType::kFloat32, {2});
  ASSERT_TRUE(write_value(folder_, "s", Value::sequence({one, one, one})).is_ok());
  // A shorter one in the same place leaves nothing of the longer one.
  ASSERT_TRUE(write_value(folder_, "s", Value::sequence({one, strings({"x"})})).is_ok());
  const Result<Value> back = read_value(folder_ / "s");
  ASSERT_TRUE(back.is_ok()) << back.status().message();
  EXPECT_EQ(describe_value(*back), "sequence of 2: float32[2], string[1]");
  EXPECT_EQ(*write_value(folder_, "none", Value()), "");
  EXPECT_EQ(describe_value(Value()), "nothing");
}

TEST_F(Values, TruncatedStringsAreAnError) {
  const Result<std::string> path = write_value(folder_, "x", strings({"abc", "de"}));
  ASSERT_TRUE(path.is_ok());
  std::filesystem::resize_file(*path, std::filesystem::file_size(*path) - 1);
  EXPECT_FALSE(read_value(*path).is_ok());
}

}  // namespace
}  // namespace penstock::cli
