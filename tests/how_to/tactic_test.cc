// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The code of docs/how-to/add-a-tactic.md.
#include "backends/cpu/cpu_stream.h"
#include "ops/testing.h"

namespace penstock::ops {
namespace {

// [tactic]
// Neg of float32, split over the stream's threads.
class NegKernel : public backends::Kernel {
 public:
  explicit NegKernel(Shape shape) : shape_(std::move(shape)) {}

  Status run(backends::KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, shape_));
    const auto* from = run.input(0).as<float>();
    auto* to = y.as<float>();
    constexpr int64_t kGrain = 1 << 15;  // below this a second thread costs more than it gives
    backends::team_of(run.stream())
        .parallel_for(y.count(), kGrain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) to[i] = -from[i];
        });
    return Status::ok();
  }

 private:
  Shape shape_;
};

class NegTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "example.neg"; }

  backends::Offer offer(const backends::NodeFacts& node) const override {
    if (node.inputs[0].dtype != DataType::kFloat32) {
      return backends::Offer::refuse("float32 only");
    }
    return backends::Offer::plain(node);
  }

  Result<std::unique_ptr<backends::Kernel>> bind(const backends::NodeFacts& node) const override {
    return std::unique_ptr<backends::Kernel>(new NegKernel(node.outputs[0].shape));
  }

  bool can_run_in_place(const backends::NodeFacts&, size_t) const override { return true; }
};
// [end]

// [test]
TEST(NegTactic, MatchesTheReferenceKernel) {
  const NegTactic tactic;
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{7}, Shape{3, 100000}}) {
    test::OpCase neg;
    neg.op = "Neg";
    neg.inputs = {test::random_tensor(DataType::kFloat32, shape, 1)};
    test::expect_matches_reference(tactic, neg);
  }
}
// [end]

TEST(NegTactic, RefusesOtherTypesWithAReason) {
  backends::NodeFacts node;
  node.op = "Neg";
  node.inputs.resize(1);
  node.inputs[0].present = true;
  node.inputs[0].dtype = DataType::kInt64;
  EXPECT_EQ(NegTactic().offer(node).refusal, "float32 only");
}

}  // namespace
}  // namespace penstock::ops
