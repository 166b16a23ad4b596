// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Inputs that fuzzers found, and that once crashed, hung or went wrong unnoticed: each in the
// folder of its fuzzer, named after what went wrong.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "model_mutator.h"
#include "targets.h"

namespace penstock::fuzz {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run_all(const std::string& fuzzer, void (*target)(Bytes)) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" + fuzzer)) {
    SCOPED_TRACE(entry.path());
    const std::string input = read(entry.path());
    target({reinterpret_cast<const uint8_t*>(input.data()), input.size()});
    ++count;
  }
  EXPECT_GT(count, 0);
}

// The targets abort where something is wrong: that is the failure of these tests.
TEST(FuzzCorpus, ModelsImport) { run_all("model", import_model); }
TEST(FuzzCorpus, ModelsRun) { run_all("model", run_model); }
TEST(FuzzCorpus, PlansLoad) { run_all("plan", load_plan); }

TEST(ModelMutator, BringsInEveryKindOfOperator) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(read("tests/fuzz/corpus/model/tile_repeats_negative")));
  std::set<std::string> operators;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    onnx::ModelProto mutated = model;
    mutate(mutated, seed);
    for (const onnx::NodeProto& node : mutated.graph().node()) operators.insert(node.op_type());
  }
  EXPECT_GT(operators.size(), 150U);
}

}  // namespace
}  // namespace penstock::fuzz
