// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The code of docs/how-to/add-an-operator.md.
#include "ops/op_definition.h"

#include <gtest/gtest.h>

#include "ops/cpu_tactics.h"
#include "ops/host_run.h"

namespace penstock::ops {
namespace {

// [definition]
// y = 3x, of any shape.
Status infer_triple(InferContext& context) {
  if (context.dtype(0) != DataType::kFloat32) return context.error("takes float32 only");
  context.set_output(0, DataType::kFloat32, context.shape(0));
  return Status::ok();
}

Status run_triple(const backends::NodeFacts&, backends::KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  for (int64_t i = 0; i < x.count(); ++i) y.as<float>()[i] = 3 * x.as<float>()[i];
  return Status::ok();
}

const OpDefinition kTriple = {.name = "Triple",
                              .min_inputs = 1,
                              .max_inputs = 1,
                              .infer = infer_triple,
                              .reference = run_triple,
                              .in_place = true};
// [end]

TEST(HowToAddAnOperator, InfersSymbolicShapes) {
  ir::Graph graph;
  ir::Node node;
  node.op = "Triple";
  node.inputs = {graph.add_value("x", DataType::kFloat32, {ir::Dim::symbol("batch"), 4})};
  node.outputs = {graph.add_value("y", DataType::kUndefined, {})};
  InferContext context(graph, node);
  ASSERT_TRUE(kTriple.infer(context).is_ok());
  EXPECT_EQ(ir::to_string(context.outputs()[0].shape), "[batch, 4]");
}

TEST(HowToAddAnOperator, Computes) {
  const float x[] = {1, -2};
  backends::NodeFacts node;
  node.op = "Triple";
  backends::Operand two_floats;
  two_floats.present = true;
  two_floats.dtype = DataType::kFloat32;
  two_floats.shape = {2};
  node.inputs = {two_floats};
  node.outputs = {two_floats};
  const auto stream = cpu_backend()->create_stream(1);
  HostRun run(node, {x}, **stream);
  ASSERT_TRUE(kTriple.reference(node, run).is_ok());
  const auto* y = static_cast<const float*>(run.result(0).data());
  EXPECT_EQ(y[0], 3);
  EXPECT_EQ(y[1], -6);
}

}  // namespace
}  // namespace penstock::ops
