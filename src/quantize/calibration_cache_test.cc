// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <penstock/calibration.h>

#include <filesystem>

namespace penstock {
namespace {

using ::testing::HasSubstr;

CalibrationTable small_table() {
  CalibrationTable table;
  table.model = "net";
  table.method = "entropy";
  table.batches = 16;
  table.inputs["images"] = {-2.5f, 2.75f, InputContract::Source::kCalibration, {}, {}};
  table.ranges["images"] = {-2.117904f, 2.64f, 2.5f};
  table.ranges["a name: with spaces"] = {0, 0.1f, 0.1f};
  table.ranges["line\nend\\"] = {-1e-30f, 3.4e38f, 1e-20f};
  return table;
}

std::string error_of(std::string_view text) {
  const Result<CalibrationTable> table = CalibrationTable::parse(text);
  return table.is_ok() ? "no error" : table.status().message();
}

TEST(CalibrationCache, SurvivesWritingAndReading) {
  const CalibrationTable table = small_table();
  const Result<CalibrationTable> read = CalibrationTable::parse(table.to_text());
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  EXPECT_EQ(read->model, "net");
  EXPECT_EQ(read->method, "entropy");
  EXPECT_EQ(read->batches, 16);
  EXPECT_EQ(read->ranges, table.ranges);
  EXPECT_EQ(read->inputs, table.inputs);
  EXPECT_EQ(read->to_text(), table.to_text());
}

// 0x3c010a14 is 1/127 as float32: a line of a cache that TensorRT wrote has such scales.
TEST(CalibrationCache, ReadsAndWritesTensorRtsFormat) {
  const Result<CalibrationTable> read = CalibrationTable::parse(
      "TRT-8601-EntropyCalibration2\nimages: 3c010204\nconv 1: 0: 40000000\n");
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  EXPECT_NEAR(read->ranges.at("images").threshold, 1.0f, 1e-6);
  EXPECT_EQ(read->ranges.at("conv 1: 0").threshold, 254.0f);
  EXPECT_EQ(read->ranges.at("conv 1: 0").min, -254.0f);
  EXPECT_EQ(read->to_tensorrt_text(),
            "TRT-8601-EntropyCalibration2\nconv 1: 0: 40000000\nimages: 3c010204\n");
  EXPECT_EQ(CalibrationTable{}.to_tensorrt_text(), "TRT-8601-EntropyCalibration2\n");
}

TEST(CalibrationCache, ErrorsQuoteTheLine) {
  const std::string good = small_table().to_text();
  EXPECT_THAT(error_of(""), HasSubstr("begins neither"));
  EXPECT_THAT(error_of("penstock calibration cache 2\n"), HasSubstr("newer"));
  EXPECT_THAT(error_of(good.substr(0, good.rfind('\n', good.size() - 2) + 1)),
              HasSubstr("cut off"));
  EXPECT_THAT(error_of(good + "1 0 1 images\n"), HasSubstr("twice"));
  EXPECT_THAT(error_of("penstock calibration cache 1\ninput: 2 1 images\n"),
              HasSubstr("smallest largest name"));
  EXPECT_THAT(error_of(good + "1 0 images\n"), HasSubstr("line 11"));
  EXPECT_THAT(error_of(good + "nan 0 1 x\n"), HasSubstr("expected"));
  EXPECT_THAT(error_of(good + "1 3 2 x\n"), HasSubstr("smallest above"));
  EXPECT_THAT(error_of("TRT-8601-EntropyCalibration2\nimages 3c010204\n"),
              HasSubstr("line 2, 'images 3c010204'"));
  EXPECT_THAT(error_of("TRT-8601-EntropyCalibration2\nimages: 7f800000\n"), HasSubstr("bits"));
  EXPECT_THAT(error_of("TRT-8601-EntropyCalibration2\nimages: 3c01020404\n"), HasSubstr("bits"));
}

TEST(CalibrationCache, FilesNameThemselvesInErrors) {
  const auto path = std::filesystem::temp_directory_path() / "penstock_calibration_cache_test";
  EXPECT_THAT(CalibrationTable::load(path).status().message(), HasSubstr(path.string()));
  ASSERT_TRUE(small_table().save(path).is_ok());
  const Result<CalibrationTable> read = CalibrationTable::load(path);
  ASSERT_TRUE(read.is_ok());
  EXPECT_EQ(read->ranges, small_table().ranges);
  std::filesystem::remove(path);
  const Status unwritable = small_table().save("/nonexistent/folder/cache");
  EXPECT_THAT(unwritable.message(), HasSubstr("/nonexistent/folder/cache"));
}

TEST(CalibrationMethod, NamesAreTheirOwnInverse) {
  for (const char* name : {"entropy", "minmax", "moving-average", "percentile", "mse"}) {
    const Result<CalibrationMethod> method = parse_calibration_method(name);
    ASSERT_TRUE(method.is_ok());
    EXPECT_EQ(to_string(*method), name);
  }
  EXPECT_THAT(parse_calibration_method("entropie").status().message(), HasSubstr("entropy"));
}

}  // namespace
}  // namespace penstock
