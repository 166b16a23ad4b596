// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "passes/precision.h"

#include "ir/text.h"
#include "passes/testing.h"

namespace penstock::passes {
namespace {

// The graph in float16. Its results are compared where kernels compute in 16 bits.
std::string in_float16(std::string_view text) {
  ir::Graph graph = test::parsed(text);
  const Status status = lower_precision(graph, DataType::kFloat16);
  return status.is_ok() ? "\n" + ir::to_text(graph) : status.message();
}

TEST(Precision, InputsAndOutputsStayFloat32AndConstantsStayFinite) {
  EXPECT_EQ(in_float16(R"ir(
graph g(%x : float32[n, 2]) {
  %m = MatMul(%x, const float32[2, 2][1, 2, 3, 100000])
  %y = Relu(%m)
  return %y
}
)ir"),
            R"ir(
graph g(%x : float32[n, 2]) {
  %x.1 : float16[n, 2] = Cast(%x) {to = 10}
  %m : float16[n, 2] = MatMul(%x.1, const float16[2, 2][1, 2, 3, 65504])
  %y.3 : float16[n, 2] = Relu(%m)
  %y : float32[n, 2] = Cast(%y.3) {to = 1}
  return %y
}
)ir");
}

TEST(Precision, SumsOfSquaresStayFloat32) {
  EXPECT_EQ(in_float16(R"ir(
graph g(%x : float32[n, 2]) {
  %m = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %y = ReduceSumSquare(%m) {keepdims = 0}
  return %y
}
)ir"),
            R"ir(
graph g(%x : float32[n, 2]) {
  %x.1 : float16[n, 2] = Cast(%x) {to = 10}
  %m : float16[n, 2] = MatMul(%x.1, const float16[2, 2][1, 2, 3, 4])
  %m.3 : float32[n, 2] = Cast(%m) {to = 1}
  %y : float32[] = ReduceSumSquare(%m.3) {keepdims = 0}
  return %y
}
)ir");
}

TEST(Precision, ProductsOf8BitsKeepTheirScales) {
  EXPECT_EQ(in_float16(R"ir(
graph g(%x : uint8[n, 2], %r : float32[n, 2]) {
  %m = QuantizedMatMul(%x, const int8[2, 2][1, 2, 3, 4], _, const float32[][0.5], %r) {epilogue = "add(4)"}
  %d = Pointwise(%x) {program = "mul(i0,0.5)"}
  %y = Add(%m, %d)
  return %y
}
)ir"),
            R"ir(
graph g(%x : uint8[n, 2], %r : float32[n, 2]) {
  %r.2 : float16[n, 2] = Cast(%r) {to = 10}
  %m : float16[n, 2] = QuantizedMatMul(%x, const int8[2, 2][1, 2, 3, 4], _, const float32[][0.5], %r.2) {epilogue = "add(4)", output_dtype = 10}
  %d : float16[n, 2] = Pointwise(%x) {output_dtype = 10, program = "mul(i0,0.5)"}
  %y.3 : float16[n, 2] = Add(%m, %d)
  %y : float32[n, 2] = Cast(%y.3) {to = 1}
  return %y
}
)ir");
}

TEST(Precision, SumsOf8BitsKeepTheirScalesAndGive16) {
  EXPECT_EQ(in_float16(R"ir(
graph g(%x : float32[n, 2]) {
  %q : int8[n, 2] = QuantizeLinear(%x, const float32[][0.5]) {output_dtype = 3}
  %m = QuantizedMatMul(%q, const int8[2, 2][1, 2, 3, 4], const float32[2][5, 6], const float32[][7])
  %y = Relu(%m)
  return %y
}
)ir"),
            R"ir(
graph g(%x : float32[n, 2]) {
  %q : int8[n, 2] = QuantizeLinear(%x, const float32[][0.5]) {output_dtype = 3}
  %m : float16[n, 2] = QuantizedMatMul(%q, const int8[2, 2][1, 2, 3, 4], const float32[2][5, 6], const float32[][7]) {output_dtype = 10}
  %y.4 : float16[n, 2] = Relu(%m)
  %y : float32[n, 2] = Cast(%y.4) {to = 1}
  return %y
}
)ir");
}

// As a processor takes it: all nodes but those of an operator.
std::string on_a_processor(std::string_view text, std::string_view but = "") {
  ir::Graph graph = test::parsed(text);
  const Status status = lower_precision(graph, DataType::kBFloat16,
                                        [&](const ir::Node& node) { return node.op != but; });
  return status.is_ok() ? "\n" + ir::to_text(graph) : status.message();
}

TEST(Precision, ProcessorsAddBiasesInFloat32AndStoreWhatIsRead) {
  EXPECT_EQ(on_a_processor(R"ir(
graph g(%x : float32[n, 2]) {
  %a = MatMul(%x, const float32[2, 2][1, 2, 3, 4], const float32[2][5, 6])
  %b = MatMul(%a, const float32[2, 2][1, 2, 3, 4], _, %x) {epilogue = "add(3)"}
  return %b
}
)ir"),
            R"ir(
graph g(%x : float32[n, 2]) {
  %x.3 : bfloat16[n, 2] = Cast(%x) {to = 16}
  %a : bfloat16[n, 2] = MatMul(%x.3, const bfloat16[2, 2][1, 2, 3, 4], const float32[2][5, 6])
  %b : float32[n, 2] = MatMul(%a, const bfloat16[2, 2][1, 2, 3, 4], _, %x) {epilogue = "add(3)"}
  return %b
}
)ir");
}

TEST(Precision, ExpressionsOfProcessorsTakeEitherFloat) {
  EXPECT_EQ(on_a_processor(R"ir(
graph g(%x : float32[n, 2]) {
  %a = Pointwise(%x) {program = "mul(i0,0.5)"}
  %b = MatMul(%a, const float32[2, 2][1, 2, 3, 4])
  %c = Softmax(%b)
  %d = Pointwise(%a, %c, %x) {program = "add(i0,i1);add(t0,i2)"}
  return %d
}
)ir",
                           "Softmax"),
            R"ir(
graph g(%x : float32[n, 2]) {
  %a : bfloat16[n, 2] = Pointwise(%x) {output_dtype = 16, program = "mul(i0,0.5)"}
  %b : float32[n, 2] = MatMul(%a, const bfloat16[2, 2][1, 2, 3, 4])
  %c : float32[n, 2] = Softmax(%b)
  %d : float32[n, 2] = Pointwise(%a, %c, %x) {output_dtype = 1, program = "add(i0,i1);add(t0,i2)"}
  return %d
}
)ir");
}

TEST(Precision, RefusesTypesOfOtherWidths) {
  ir::Graph graph = test::parsed("graph g(%x : float32[n]) {\n  return %x\n}\n");
  EXPECT_FALSE(lower_precision(graph, DataType::kInt8).is_ok());
}

Status with_tf32(ir::Graph& graph) {
  allow_tf32(graph);
  return Status::ok();
}

TEST(Precision, Tf32IsAPropertyOfProductsOfFloat32) {
  test::expect_rewrite(with_tf32, R"ir(
graph g(%x : float32[n, 2], %h : float16[2, 2]) {
  %m = MatMul(%x, const float32[2, 2][1, 2, 3, 4])
  %y = Relu(%m)
  %z = MatMul(%h, %h)
  return %y, %z
}
)ir",
                       R"ir(
graph g(%x : float32[n, 2], %h : float16[2, 2]) {
  %m : float32[n, 2] = MatMul(%x, const float32[2, 2][1, 2, 3, 4]) {tf32 = 1}
  %y : float32[n, 2] = Relu(%m)
  %z : float16[2, 2] = MatMul(%h, %h)
  return %y, %z
}
)ir");
}

}  // namespace
}  // namespace penstock::passes
