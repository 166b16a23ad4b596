// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "backends/cpu/cpu_stream.h"
#include "ir/parse.h"
#include "ops/control/iteration.h"
#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using backends::TensorView;

// The type of `value` after inference of the graph, or the error.
std::string inferred(std::string_view text, std::string_view value) {
  Result<ir::Graph> graph = ir::parse_text(text);
  if (!graph.is_ok()) return graph.status().message();
  const Status status = infer_graph(*graph);
  if (!status.is_ok()) return status.message();
  return ir::to_string(graph->find_value(value)->shape);
}

TEST(If, MergesTheShapesOfItsBranches) {
  EXPECT_EQ(inferred(R"(graph g(%c : bool[], %x : float32[n, 2], %z : float32[n, 3]) {
    %y = If(%c) region() { return %x } region() { return %z }
    return %y
  })",
                     "y"),
            "[n, u0]");
  EXPECT_NE(inferred(R"(graph g(%c : bool[], %x : float32[n, 2], %z : float32[n]) {
    %y = If(%c) region() { return %x } region() { return %z }
    return %y
  })",
                     "y")
                .find("rank"),
            std::string::npos);
}

// A body is a function of the test: no engine is needed to see how the kernels call it.
using Body = std::function<std::vector<HostTensor>(size_t, const std::vector<TensorView>&)>;

class BodyRun : public HostRun {
 public:
  BodyRun(const backends::NodeFacts& node, std::vector<const void*> inputs, Body body)
      : HostRun(node, std::move(inputs), stream_), body_(std::move(body)) {}
  Status run_region(size_t i, const std::vector<TensorView>& inputs,
                    std::vector<TensorView>& outputs) override {
    results_ = body_(i, inputs);
    outputs.clear();
    for (HostTensor& r : results_) {
      outputs.push_back({r.dtype, ir::Layout::kPlain, &r.shape, r.data()});
    }
    return Status::ok();
  }

 private:
  static inline backends::CpuStream stream_{1};
  Body body_;
  std::vector<HostTensor> results_;
};

std::vector<HostTensor> run_with_body(const OpCase& c, Body body) {
  backends::NodeFacts node;
  node.op = c.op;
  node.name = c.op;
  node.attributes = c.attributes;
  std::vector<const void*> data;
  for (const HostTensor& input : c.inputs) {
    const bool present = input.storage != nullptr;
    node.inputs.push_back({present, input.dtype, ir::Layout::kPlain, input.shape, nullptr, 0, ""});
    data.push_back(present ? input.data() : nullptr);
  }
  for (DataType type : c.output_types) {
    node.outputs.push_back({true, type, ir::Layout::kPlain, {}, nullptr, 0, ""});
  }
  BodyRun run(node, data, std::move(body));
  const Status status = find_op(c.op)->reference(node, run);
  EXPECT_TRUE(status.is_ok()) << status.message();
  std::vector<HostTensor> results;
  for (size_t i = 0; i < c.output_types.size(); ++i) results.push_back(run.result(i));
  return results;
}

TEST(If, RunsOneBranch) {
  const Body body = [](size_t i, const std::vector<TensorView>&) {
    return std::vector<HostTensor>{floats({2}, {i == 0 ? 1.0 : 2.0, 5})};
  };
  EXPECT_TRUE(matches(run_with_body({"If", {}, {tensor(DataType::kBool, {}, {1})}}, body).at(0),
                      floats({2}, {1, 5})));
  EXPECT_TRUE(matches(run_with_body({"If", {}, {tensor(DataType::kBool, {1}, {0})}}, body).at(0),
                      floats({2}, {2, 5})));
}

// Adds the iteration to a carried sum and stops after the sum passes 5.
std::vector<HostTensor> sum_body(size_t, const std::vector<TensorView>& in) {
  const double iteration = static_cast<double>(in[0].as<const int64_t>()[0]);
  const double sum = in[2].as<const float>()[0] + iteration;
  return {tensor(DataType::kBool, {}, {sum > 5 ? 0.0 : 1.0}), floats({1}, {sum}),
          floats({2}, {iteration, sum})};
}

TEST(Loop, CarriesAndStacks) {
  OpCase c{"Loop",
           {},
           {int64s({}, {100}), tensor(DataType::kBool, {}, {1}), floats({1}, {1})},
           {DataType::kFloat32, DataType::kFloat32}};
  auto outputs = run_with_body(c, sum_body);
  EXPECT_TRUE(matches(outputs.at(0), floats({1}, {7})));
  EXPECT_TRUE(matches(outputs.at(1), floats({4, 2}, {0, 1, 1, 2, 2, 4, 3, 7})));
  c.inputs[0] = int64s({1}, {2});
  EXPECT_TRUE(matches(run_with_body(c, sum_body).at(0), floats({1}, {2})));
  c.inputs[1] = tensor(DataType::kBool, {}, {0});
  EXPECT_TRUE(matches(run_with_body(c, sum_body).at(0), floats({1}, {1})));
}

// A body without nodes: its results are its arguments, where they lie.
class PassingRun : public HostRun {
 public:
  PassingRun(const backends::NodeFacts& node, std::vector<const void*> inputs)
      : HostRun(node, std::move(inputs), stream_) {}
  Status run_region(size_t, const std::vector<TensorView>& inputs,
                    std::vector<TensorView>& outputs) override {
    outputs = {inputs[1], inputs[3], inputs[2], inputs[2]};
    return Status::ok();
  }

 private:
  static inline backends::CpuStream stream_{1};
};

TEST(Loop, CarriesArgumentsThatChangePlaces) {
  const HostTensor trips = int64s({}, {3});
  const HostTensor a = floats({2}, {1, 2});
  const HostTensor b = floats({2}, {3, 4});
  backends::NodeFacts node;
  node.op = "Loop";
  node.inputs.push_back({true, DataType::kInt64, ir::Layout::kPlain, {}, nullptr, 0, ""});
  node.inputs.emplace_back();
  for (int i = 0; i < 2; ++i) {
    node.inputs.push_back({true, DataType::kFloat32, ir::Layout::kPlain, {2}, nullptr, 0, ""});
  }
  for (int i = 0; i < 3; ++i) {
    node.outputs.push_back({true, DataType::kFloat32, ir::Layout::kPlain, {}, nullptr, 0, ""});
  }
  PassingRun run(node, {trips.data(), nullptr, a.data(), b.data()});
  const Status status = find_op("Loop")->reference(node, run);
  ASSERT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(values_of(run.result(0)), (std::vector<double>{3, 4}));
  EXPECT_EQ(values_of(run.result(1)), (std::vector<double>{1, 2}));
  EXPECT_EQ(values_of(run.result(2)), (std::vector<double>{1, 2, 3, 4, 1, 2}));
}

TEST(Loop, InfersTripCountAndCarriedShapes) {
  constexpr std::string_view kText = R"(graph g(%x : float32[n, 2]) {
    %y, %all = Loop(const int64[][3], _, %x)
      region(%i : int64[], %go : bool[], %s : float32[n, 2]) { return %go, %s, %s }
    return %y, %all
  })";
  EXPECT_EQ(inferred(kText, "y"), "[n, 2]");
  EXPECT_EQ(inferred(kText, "all"), "[3, n, 2]");
}

// Running sums from the back of the last axis.
TEST(Scan, ReversesAndPlacesAxes) {
  ir::Attributes attributes;
  attributes.set("num_scan_inputs", int64_t{1});
  attributes.set("scan_input_axes", std::vector<int64_t>{1});
  attributes.set("scan_input_directions", std::vector<int64_t>{1});
  attributes.set("scan_output_axes", std::vector<int64_t>{-1});
  attributes.set("scan_output_directions", std::vector<int64_t>{1});
  const OpCase c{"Scan",
                 attributes,
                 {floats({2}, {0, 0}), floats({2, 3}, {1, 2, 3, 4, 5, 6})},
                 {DataType::kFloat32, DataType::kFloat32}};
  const auto outputs = run_with_body(c, [](size_t, const std::vector<TensorView>& in) {
    const float* state = in[0].as<const float>();
    const float* x = in[1].as<const float>();
    const HostTensor sum = floats({2}, {state[0] + x[0], state[1] + x[1]});
    return std::vector<HostTensor>{sum, sum};
  });
  EXPECT_TRUE(matches(outputs.at(0), floats({2}, {6, 15})));
  EXPECT_TRUE(matches(outputs.at(1), floats({2, 3}, {6, 5, 3, 15, 11, 6})));
}

}  // namespace
}  // namespace penstock::ops::test
