// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "compiler/code_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace penstock::compiler {
namespace {

using backends::CodeItem;

CodeItem item(uint64_t key, char byte, std::string maker = "nvrtc") {
  return {{0, key}, std::move(maker), std::vector<std::byte>(70, std::byte(byte))};
}

class CodeCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    timings_ = std::filesystem::path(testing::TempDir()) /
               ("code_cache_test" + std::to_string(::getpid()));
    std::filesystem::remove(file());
  }
  void TearDown() override { std::filesystem::remove(file()); }
  std::filesystem::path file() const { return timings_.string() + ".code"; }

  std::filesystem::path timings_;
};

TEST_F(CodeCacheTest, KeepsWhatBuildsMade) {
  EXPECT_TRUE(CodeCache::load(timings_)->views().empty());
  ASSERT_TRUE(CodeCache::load(timings_)->save({item(2, 'b')}).is_ok());
  ASSERT_TRUE(CodeCache::load(timings_)->save({item(1, 'a'), item(2, 'b')}).is_ok());
  const Result<CodeCache> cache = CodeCache::load(timings_);
  ASSERT_EQ(cache->views().size(), 2U);
  EXPECT_EQ(cache->views()[0].key.low, 1U);
  EXPECT_EQ(cache->views()[1].bytes[69], std::byte('b'));
}

TEST_F(CodeCacheTest, NewerCodeReplacesOlder) {
  ASSERT_TRUE(CodeCache::load(timings_)->save({item(1, 'a', "cudnn 91300")}).is_ok());
  ASSERT_TRUE(CodeCache::load(timings_)->save({item(1, 'b', "cudnn 91400")}).is_ok());
  const Result<CodeCache> cache = CodeCache::load(timings_);
  ASSERT_EQ(cache->views().size(), 1U);
  EXPECT_EQ(cache->views()[0].maker, "cudnn 91400");
}

TEST_F(CodeCacheTest, DamageIsNoCode) {
  ASSERT_TRUE(CodeCache::load(timings_)->save({item(1, 'a')}).is_ok());
  std::fstream(file(), std::ios::in | std::ios::out | std::ios::binary).seekp(150).put('x');
  EXPECT_TRUE(CodeCache::load(timings_)->views().empty());
  std::ofstream(file(), std::ios::trunc) << "x";
  EXPECT_TRUE(CodeCache::load(timings_)->views().empty());
  ASSERT_TRUE(CodeCache::load(timings_)->save({item(1, 'a')}).is_ok());
  EXPECT_EQ(CodeCache::load(timings_)->views().size(), 1U);
}

TEST_F(CodeCacheTest, WithoutAPathNothingIsKept) {
  const Result<CodeCache> cache = CodeCache::load("");
  EXPECT_TRUE(cache->save({item(1, 'a')}).is_ok());
  EXPECT_TRUE(cache->views().empty());
}

}  // namespace
}  // namespace penstock::compiler
