// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "cli/npy.h"
#include "cli/shapes.h"
#include "cli/statistics.h"

namespace penstock::cli {
namespace {

TEST(Shapes, TrtexecSyntax) {
  const auto shapes = parse_shapes("input:1x3x224x224,input:0:8,scalar:");
  ASSERT_TRUE(shapes.is_ok());
  EXPECT_EQ(shapes->at("input"), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(shapes->at("input:0"), (Shape{8}));
  EXPECT_EQ(shapes->at("scalar"), Shape{});
  EXPECT_TRUE(parse_shapes("")->empty());
}

TEST(Shapes, WrongTextsAreErrors) {
  for (const char* text :
       {"input", ":1", "a:1x", "a:x1", "a:-1", "a:1x2y", "a:1,a:2", "a:99999999999999999999"}) {
    EXPECT_FALSE(parse_shapes(text).is_ok()) << text;
  }
}

TEST(Statistics, NearestRank) {
  const Statistics s = summarize({5, 1, 4, 2, 3}, {50, 90, 100});
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 5);
  EXPECT_EQ(s.mean, 3);
  EXPECT_EQ(s.median, 3);
  EXPECT_EQ(s.percentiles[0].second, 3);
  EXPECT_EQ(s.percentiles[1].second, 5);
  EXPECT_EQ(summarize({1, 2}, {}).median, 1.5);
  EXPECT_EQ(to_text(summarize({1}, {99})),
            "min = 1 ms, max = 1 ms, mean = 1 ms, median = 1 ms, percentile(99%) = 1 ms");
}

class NpyTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) /
                                ("npy_test" + std::to_string(::getpid()) + ".npy");
};

TEST_F(NpyTest, RoundTrip) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  ASSERT_TRUE(write_npy(path_, DataType::kFloat32, {2, 3}, values.data()).is_ok());
  const Result<Tensor> tensor = read_npy(path_);
  ASSERT_TRUE(tensor.is_ok()) << tensor.status().message();
  EXPECT_EQ(tensor->shape(), (Shape{2, 3}));
  EXPECT_EQ(tensor->as<float>()[5], 6.0f);
  EXPECT_EQ(std::filesystem::file_size(path_) % 64, 24U);
  ASSERT_TRUE(write_npy(path_, DataType::kInt64, {}, values.data()).is_ok());
  EXPECT_EQ(read_npy(path_)->shape(), Shape{});
}

TEST_F(NpyTest, TypesThatNumPyLacksAreUntypedBytes) {
  const std::vector<uint16_t> halves = {0x3f80, 0xc000};
  ASSERT_TRUE(write_npy(path_, DataType::kBFloat16, {2}, halves.data()).is_ok());
  const Result<Tensor> read = read_npy(path_, DataType::kBFloat16);
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  EXPECT_EQ(read->dtype(), DataType::kBFloat16);
  EXPECT_EQ(read->as<uint16_t>()[1], 0xc000);
  EXPECT_FALSE(read_npy(path_).is_ok());                    // nothing tells what they are
  EXPECT_FALSE(read_npy(path_, DataType::kInt4).is_ok());   // of another size
  EXPECT_FALSE(read_npy(path_, DataType::kInt16).is_ok());  // NumPy has that one
  ASSERT_TRUE(write_npy(path_, DataType::kUInt16, {2}, halves.data()).is_ok());
  EXPECT_EQ(read_npy(path_, DataType::kBFloat16)->dtype(), DataType::kBFloat16);
  EXPECT_EQ(read_npy(path_, DataType::kFloat32)->dtype(), DataType::kUInt16);
  ASSERT_TRUE(write_npy(path_, DataType::kFloat8E5M2, {4}, halves.data()).is_ok());
  EXPECT_EQ(read_npy(path_, DataType::kFloat8E5M2)->dtype(), DataType::kFloat8E5M2);
}

TEST_F(NpyTest, BrokenFilesAreErrors) {
  const std::vector<float> values(6);
  ASSERT_TRUE(write_npy(path_, DataType::kFloat32, {2, 3}, values.data()).is_ok());
  std::string bytes;
  {
    std::ifstream file(path_, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    std::ofstream(path_, std::ios::binary) << bytes.substr(0, size);
    EXPECT_FALSE(read_npy(path_).is_ok()) << size;
  }
  EXPECT_FALSE(read_npy("/nonexistent.npy").is_ok());
}

}  // namespace
}  // namespace penstock::cli
