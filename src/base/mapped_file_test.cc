// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace penstock {
namespace {

using testing::HasSubstr;

std::filesystem::path write_file(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(MappedFile, SeesTheBytesEvenAfterTheFileIsRemoved) {
  const auto path = write_file("mapped_file_bytes", "penstock");
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.is_ok()) << file.status().message();
  std::filesystem::remove(path);
  const auto bytes = (*file)->data();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "penstock");
  EXPECT_EQ((*file)->path(), path);
}

TEST(MappedFile, EmptyFileIsEmptySpan) {
  auto file = MappedFile::open(write_file("mapped_file_empty", ""));
  ASSERT_TRUE(file.is_ok());
  EXPECT_TRUE((*file)->data().empty());
}

TEST(MappedFile, MissingFileIsNotFound) {
  const Status status = MappedFile::open("/no/such/file").status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("'/no/such/file': No such file"));
}

TEST(MappedFile, DirectoriesAndPipesAreErrors) {
  const Status directory = MappedFile::open(testing::TempDir()).status();
  EXPECT_EQ(directory.code(), StatusCode::kIoError);
  EXPECT_THAT(directory.message(), HasSubstr("is a directory"));

  const std::string pipe = testing::TempDir() + "mapped_file_pipe";
  ::mkfifo(pipe.c_str(), 0600);
  EXPECT_THAT(MappedFile::open(pipe).status().message(), HasSubstr("not a regular file"));
  std::filesystem::remove(pipe);
}

}  // namespace
}  // namespace penstock
