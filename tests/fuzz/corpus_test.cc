// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Inputs that fuzzers found, and that once crashed, hung or went wrong unnoticed: each in the
// folder of its fuzzer, named after what went wrong.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "targets.h"

namespace penstock::fuzz {
namespace {

void run_all(const std::string& fuzzer, void (*target)(Bytes)) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" + fuzzer)) {
    SCOPED_TRACE(entry.path());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input(std::istreambuf_iterator<char>(file), {});
    target({reinterpret_cast<const uint8_t*>(input.data()), input.size()});
    ++count;
  }
  EXPECT_GT(count, 0);
}

// The targets abort where something is wrong: that is the failure of these tests.
TEST(FuzzCorpus, ModelsImport) { run_all("model", import_model); }
TEST(FuzzCorpus, ModelsRun) { run_all("model", run_model); }
TEST(FuzzCorpus, PlansLoad) { run_all("plan", load_plan); }

}  // namespace
}  // namespace penstock::fuzz
