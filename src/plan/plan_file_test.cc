// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "plan/plan_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <span>

namespace penstock::plan {
namespace {

// y = Relu(x) * w, with every kind of slot and attribute.
Program program_of_sample() {
  Program program;
  program.profile.inputs["x"] = {{1, 4}, {2, 4}, {8, 4}};
  const ir::SymbolicShape shape = {ir::Dim::symbol("batch"), 4};
  program.slots = {
      {"x", Slot::Kind::kInput, DataType::kFloat32, ir::Layout::kPlain, shape, 0, 0, "", -1, {}},
      {"w", Slot::Kind::kConstant, DataType::kFloat32, ir::Layout::kPlain, {4}, 64, 16, "", -1, {}},
      {"y",
       Slot::Kind::kActivation,
       DataType::kFloat32,
       ir::Layout::kPlain,
       shape,
       0,
       0,
       "",
       -1,
       {}},
      {"z",
       Slot::Kind::kView,
       DataType::kFloat32,
       ir::Layout::kPlain,
       {ir::Dim::symbol("batch") * 4},
       0,
       0,
       "",
       2,
       {}}};
  Step step{"Mul", "mul", "reference.Mul", "", {}, {0, 1}, {2}, {}, {"mul_0"}};
  step.attributes.set("i", int64_t{3});
  step.attributes.set("f", 0.1f);
  step.attributes.set("inf", -std::numeric_limits<float>::infinity());
  step.attributes.set("s", std::string("a\"b"));
  step.attributes.set("is", std::vector<int64_t>{1, -2});
  step.attributes.set("fs", std::vector<float>{0.5f, std::numeric_limits<float>::infinity()});
  step.attributes.set("d", ir::SymbolicShape{ir::Dim::symbol("batch") * 2, 7});
  program.bodies = {{{0}, {3}, {step}}};
  return program;
}

// Two profiles, with the values of no shape input.
Contents sample() {
  Contents contents;
  contents.model_name = "sample";
  contents.backend = "cpu";
  contents.instruction_set = "sse4.2";
  contents.fingerprint = "cpu:test";
  contents.threads = 2;
  contents.programs = {program_of_sample(), program_of_sample()};
  contents.programs[1].profile.inputs["x"] = {{8, 4}, {16, 4}, {32, 4}};
  return contents;
}

class PlanFileTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(testing::TempDir()) /
            ("plan_file_test" + std::to_string(::getpid()) + ".plan");
    const std::vector<float> weights = {1, 2, 3, 4};
    ASSERT_TRUE(write_plan(path_, sample(), "{}", {{64, weights.data(), 16}}).is_ok());
    std::ifstream file(path_, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }
  void TearDown() override { std::filesystem::remove(path_); }

  Status open_with(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return PlanFile::open(path_).status();
  }

  std::filesystem::path path_;
  std::string bytes_;
};

TEST_F(PlanFileTest, RoundTrip) {
  const Result<PlanFile> plan = PlanFile::open(path_);
  ASSERT_TRUE(plan.is_ok()) << plan.status().message();
  EXPECT_EQ(to_json(plan->contents()), to_json(sample()));
  EXPECT_EQ(plan->contents().programs[0].bodies[0].steps[0].attributes,
            sample().programs[0].bodies[0].steps[0].attributes);
  EXPECT_EQ(reinterpret_cast<const float*>(plan->constants() + 64)[3], 4.0f);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(plan->constants()) % 64, 0U);
}

TEST_F(PlanFileTest, InMemoryTheSameBytes) {
  const std::vector<float> weights = {1, 2, 3, 4};
  const Result<Plan> plan = make_plan(sample(), "{}", {{64, weights.data(), 16}});
  ASSERT_TRUE(plan.is_ok()) << plan.status().message();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(plan->data()), plan->size()), bytes_);
  const Result<PlanFile> opened = PlanFile::from_memory(*plan);
  ASSERT_TRUE(opened.is_ok()) << opened.status().message();
  EXPECT_EQ(reinterpret_cast<const float*>(opened->constants() + 64)[3], 4.0f);
}

TEST_F(PlanFileTest, InMemoryUnalignedBytesAreCopied) {
  const std::string shifted = " " + bytes_;
  const std::span<const char> text(shifted.data() + 1, bytes_.size());
  const Result<Plan> plan = Plan::borrow(std::as_bytes(text), nullptr);
  ASSERT_TRUE(plan.is_ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(plan->data()) % 64, 0U);
  EXPECT_TRUE(PlanFile::from_memory(*plan).is_ok());
}

TEST_F(PlanFileTest, InMemoryDamageIsRefused) {
  const auto open = [](std::string bytes) {
    const std::span<const char> text(bytes);
    const Result<Plan> plan = Plan::copy(std::as_bytes(text));
    return PlanFile::from_memory(*plan).status();
  };
  EXPECT_EQ(open("").message(),
            "the plan in memory is not a Penstock plan (make one with 'penstock build MODEL.onnx "
            "-o MODEL.plan')");
  EXPECT_EQ(open(bytes_.substr(0, bytes_.size() - 1)).code(), StatusCode::kInvalidPlan);
  std::string flipped = bytes_;
  flipped.back() ^= 1;
  EXPECT_EQ(open(flipped).message(),
            "the plan in memory is corrupted: its contents do not match their checksum; build the "
            "plan again");
}

TEST_F(PlanFileTest, SameProgramSameBytes) {
  const std::vector<float> weights = {1, 2, 3, 4};
  const std::filesystem::path other = path_.string() + "2";
  ASSERT_TRUE(write_plan(other, sample(), "{}", {{64, weights.data(), 16}}).is_ok());
  std::ifstream file(other, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), bytes_);
  std::filesystem::remove(other);
}

// With a piece of device code, which is made from all else.
Status write_with_code(const std::filesystem::path& path) {
  const std::vector<float> weights = {1, 2, 3, 4};
  return write_plan(path, sample(), "{}", {{64, weights.data(), 16}},
                    [](PlanFile draft) -> Result<std::vector<backends::CodeItem>> {
                      EXPECT_EQ(draft.contents().model_name, "sample");
                      EXPECT_EQ(reinterpret_cast<const float*>(draft.constants() + 64)[3], 4.0f);
                      EXPECT_TRUE(draft.code().empty());
                      return std::vector<backends::CodeItem>{
                          {{1, 2}, "nvrtc", std::vector<std::byte>(100, std::byte{7})}};
                    });
}

TEST_F(PlanFileTest, DeviceCode) {
  ASSERT_TRUE(write_with_code(path_).is_ok());
  const Result<PlanFile> plan = PlanFile::open(path_);
  ASSERT_TRUE(plan.is_ok()) << plan.status().message();
  ASSERT_EQ(plan->code().size(), 1U);
  EXPECT_EQ(plan->code()[0].maker, "nvrtc");
  EXPECT_EQ(plan->code()[0].bytes.size(), 100U);
  EXPECT_EQ(plan->code()[0].bytes[99], std::byte{7});
  EXPECT_EQ(reinterpret_cast<const float*>(plan->constants() + 64)[3], 4.0f);
}

TEST_F(PlanFileTest, DamagedDeviceCodeIsRefused) {
  ASSERT_TRUE(write_with_code(path_).is_ok());
  std::ifstream file(path_, std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(file), {});
  for (size_t back : {1, 50, 100, 228}) {
    std::string broken = whole;
    broken[broken.size() - back] ^= 1;
    EXPECT_NE(open_with(broken).message().find("device code does not match its checksum"),
              std::string::npos)
        << back;
  }
}

TEST_F(PlanFileTest, DeviceCodeThatCannotBeMadeLeavesNothing) {
  std::filesystem::remove(path_);
  const auto fail = [](PlanFile) -> Result<std::vector<backends::CodeItem>> {
    return Status(StatusCode::kOutOfMemory, "no memory");
  };
  const std::vector<float> weights = {1, 2, 3, 4};
  const std::vector<ConstantData> constants = {{64, weights.data(), 16}};
  EXPECT_EQ(write_plan(path_, sample(), "{}", constants, fail).message(), "no memory");
  EXPECT_EQ(make_plan(sample(), "{}", constants, fail).status().message(), "no memory");
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(PlanFileTest, EveryTruncationIsRefused) {
  for (size_t size = 0; size < bytes_.size(); size += size < 400 ? 1 : 97) {
    EXPECT_EQ(open_with(bytes_.substr(0, size)).code(), StatusCode::kInvalidPlan) << size;
  }
  EXPECT_EQ(open_with(bytes_ + "x").code(), StatusCode::kInvalidPlan);
}

TEST_F(PlanFileTest, EveryFlippedByteOfContentIsRefused) {
  // Padding between sections carries nothing and is not checked: flip bytes of the header, the
  // program and the constants.
  for (size_t at = 0; at < 600; ++at) {
    std::string broken = bytes_;
    broken[at] = static_cast<char>(broken[at] ^ 0x20);
    EXPECT_FALSE(open_with(broken).is_ok()) << at;
  }
  std::string broken = bytes_;
  broken.back() = static_cast<char>(broken.back() ^ 1);
  EXPECT_NE(open_with(broken).message().find("corrupted"), std::string::npos);
}

TEST_F(PlanFileTest, NewerFormatSaysSo) {
  std::string newer = bytes_;
  newer[8] = 99;
  EXPECT_NE(open_with(newer).message().find("newer than this Penstock reads"), std::string::npos);
}

TEST_F(PlanFileTest, OlderFormatSaysSo) {
  std::string older = bytes_;
  older[8] = 2;
  EXPECT_NE(open_with(older).message().find("has plan format 2, older than this Penstock reads"),
            std::string::npos);
}

TEST_F(PlanFileTest, OtherFilesAreNoPlans) {
  EXPECT_NE(open_with("hello").message().find("is not a Penstock plan"), std::string::npos);
  EXPECT_EQ(PlanFile::open("/nonexistent/x.plan").status().code(), StatusCode::kNotFound);
}

TEST_F(PlanFileTest, UnwritablePathLeavesNothing) {
  EXPECT_EQ(write_plan("/nonexistent/folder/x.plan", sample(), "{}", {}).code(),
            StatusCode::kIoError);
}

// Whether a plan is refused whose second program is changed so.
template <typename Change>
bool is_refused(Change&& change) {
  Contents contents = sample();
  change(contents.programs[1]);
  return !validate(contents, 80).is_ok();
}

TEST(Program, ContradictionsAreRefused) {
  EXPECT_TRUE(validate(sample(), 80).is_ok());
  EXPECT_TRUE(is_refused([](Program& p) { p.slots[1].offset = 128; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.slots[1].offset = 3; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.slots[1].bytes = 8; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.slots[1].shape = {int64_t{1} << 62, 16}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.slots[3].view_of = 3; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies[0].steps[0].inputs = {99}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies[0].steps[0].outputs = {1}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies[0].steps[0].bodies = {0}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies[0].outputs = {-1}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies.clear(); }));
}

TEST(Program, ProfilesThatDoNotFitAreRefused) {
  Contents none = sample();
  none.programs.clear();
  EXPECT_FALSE(validate(none, 80).is_ok());
  EXPECT_TRUE(is_refused([](Program& p) { p.slots[0].name = "other"; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies[0].inputs.clear(); }));
  EXPECT_TRUE(is_refused([](Program& p) { p.bodies[0].outputs = {2}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.profile.inputs["x"].opt = {1}; }));
  EXPECT_TRUE(is_refused([](Program& p) { p.profile.values["x"] = {{1}, {1}, {1}}; }));
}

TEST(Program, ValuesThatArePlannedAreExtents) {
  const auto is_ok = [](int64_t least, size_t count) {
    Contents contents = sample();
    for (Program& program : contents.programs) {
      program.slots.push_back({"s",
                               Slot::Kind::kInput,
                               DataType::kInt64,
                               ir::Layout::kPlain,
                               {1},
                               0,
                               0,
                               "",
                               -1,
                               {},
                               false,
                               {ir::Dim::symbol("value_0_of_s")}});
      program.slots.back().contents.resize(count, 1);
      program.bodies[0].inputs.push_back(4);
      program.profile.values["s"] = {{least}, {4}, {8}};
    }
    const Result<Contents> read = contents_from_json(to_json(contents));
    return read.is_ok() && to_json(*read) == to_json(contents) && validate(*read, 80).is_ok();
  };
  EXPECT_TRUE(is_ok(1, 1));
  EXPECT_FALSE(is_ok(0, 1));
  EXPECT_FALSE(is_ok(-1, 1));
  EXPECT_FALSE(is_ok(1, 2));
}

}  // namespace
}  // namespace penstock::plan
