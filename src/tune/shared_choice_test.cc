// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "tune/shared_choice.h"

#include <gtest/gtest.h>

namespace penstock::tune {
namespace {

using ir::Layout;

class Named final : public backends::Tactic {
 public:
  std::string_view name() const override { return "named"; }
  backends::Offer offer(const backends::NodeFacts&) const override {
    return backends::Offer::refuse("for tests");
  }
  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts&) const override {
    return Status(StatusCode::kInternal, "for tests");
  }
};

// A node x * w whose candidates "a" and "b" were measured for two profiles.
class SharedChoiceTest : public testing::Test {
 protected:
  SharedChoiceTest() {
    ir::Value* x = graph_.add_value("x", DataType::kFloat32, {4});
    node_.inputs = {x, graph_.add_float_constant(2)};
    unweighted_.inputs = {x, x};
  }

  NodeCandidates measured(const ir::Node& node, double a, double b, Layout of_b = Layout::kPlain) {
    NodeCandidates candidates;
    candidates.node = &node;
    candidates.all = {{&a_, {{}, {Layout::kPlain}, ""}, a, true, ""},
                      {&b_, {{}, {of_b}, ""}, b, true, ""}};
    candidates.usable = {0, 1};
    return candidates;
  }

  // What the second profile takes where the first one took candidate `first`.
  static size_t second(size_t first, const NodeCandidates& candidates, size_t chosen) {
    SharedChoice shared;
    std::vector<size_t> choice = {first};
    shared.apply({candidates}, choice);
    EXPECT_EQ(choice[0], first);
    choice = {chosen};
    shared.apply({candidates}, choice);
    return choice[0];
  }

  ir::Graph graph_;
  ir::Node node_;
  ir::Node unweighted_;
  Named a_;
  Named b_;
};

TEST_F(SharedChoiceTest, StaysWithTheEarlierProfileWithinTheNoise) {
  EXPECT_EQ(second(1, measured(node_, 100, 105), 0), 1U);
}

TEST_F(SharedChoiceTest, TakesWhatIsFasterBeyondTheNoise) {
  EXPECT_EQ(second(1, measured(node_, 100, 115), 0), 0U);
}

TEST_F(SharedChoiceTest, NeverChangesLayouts) {
  EXPECT_EQ(second(1, measured(node_, 100, 101, Layout::kBlocked8), 0), 0U);
}

TEST_F(SharedChoiceTest, LeavesNodesWithoutConstantsAlone) {
  EXPECT_EQ(second(1, measured(unweighted_, 100, 101), 0), 0U);
}

TEST_F(SharedChoiceTest, LeavesOutWhatCannotBeUsed) {
  NodeCandidates candidates = measured(node_, 100, 101);
  SharedChoice shared;
  std::vector<size_t> choice = {1};
  shared.apply({candidates}, choice);
  candidates.usable = {0};
  choice = {0};
  shared.apply({candidates}, choice);
  EXPECT_EQ(choice[0], 0U);
}

}  // namespace
}  // namespace penstock::tune
