// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/model_testlib.h"

namespace penstock::importer {
namespace {

using testing::HasSubstr;

onnx::ValueInfoProto sequence_info(const std::string& name, const Extents& shape) {
  onnx::ValueInfoProto info;
  info.set_name(name);
  *info.mutable_type()->mutable_sequence_type()->mutable_elem_type() =
      value_info(name, kFloat, shape).type();
  return info;
}

std::string type_of(const Result<ir::Graph>& graph, const std::string& name) {
  if (!graph.is_ok()) return graph.status().message();
  return ir::type_text(*graph->find_value(name));
}

TEST(Sequence, PiecesOfKnownSizesAreNamedOneByOne) {
  Result<ir::Graph> graph =
      ModelBuilder()
          .input("x", {"n", 6})
          .initializer(int64_tensor("sizes", {2, 4}))
          .initializer(int64_tensor("last", {-1}))
          .node("SplitToSequence", {"x", "sizes"}, {"s"}, {{"axis", int64_t{1}}})
          .node("SequenceAt", {"s", "last"}, {"a"})
          .node("SequenceLength", {"s"}, {"length"})
          .node("ConcatFromSequence", {"s"}, {"b"}, {{"axis", int64_t{-1}}})
          .node("Relu", {"a"}, {"y"})
          .output("y")
          .output("b")
          .output("length")
          .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "Slice Slice SequenceConstruct Concat Relu Copy");
  EXPECT_EQ(type_of(graph, "y"), "float32[n, 4]");
  EXPECT_EQ(type_of(graph, "b"), "float32[n, 6]");
}

TEST(Sequence, TypesFollowWhatGoesIn) {
  ModelBuilder model;
  model.input("x", {"n", 2}).input("y", {3, 2}).input("p", {}, kInt64);
  *model.proto.mutable_graph()->add_input() = sequence_info("given", {"k", 2});
  model.node("SequenceEmpty", {}, {"s0"})
      .node("SequenceInsert", {"s0", "x"}, {"s1"})
      .node("SequenceInsert", {"s1", "y"}, {"s2"})
      .node("SequenceInsert", {"given", "y", "p"}, {"s3"})
      .output("s0")
      .output("s2")
      .output("s3");
  const Result<ir::Graph> graph = model.import();
  EXPECT_EQ(type_of(graph, "s0"), "sequence<float32>");
  EXPECT_EQ(type_of(graph, "s1"), "sequence<float32[n, 2]>");
  EXPECT_EQ(type_of(graph, "s2"), "sequence<float32[-1, 2]>");
  // Two tensors of one sequence may differ in what its type calls "k".
  EXPECT_EQ(type_of(graph, "given"), "sequence<float32[-1, 2]>");
}

TEST(Sequence, LoopsJoinWhatTheirIterationsGive) {
  onnx::GraphProto body;
  body.set_name("body");
  for (const char* input : {"i", "go", "in"}) body.add_input()->set_name(input);
  *body.add_node() = make_node("SequenceInsert", {"in", "x"}, {"out"});
  for (const char* output : {"go", "out"}) body.add_output()->set_name(output);
  Result<ir::Graph> graph = ModelBuilder()
                                .input("x", {3})
                                .input("trips", {}, kInt64)
                                .node("SequenceEmpty", {}, {"empty"})
                                .node("Loop", {"trips", "", "empty"}, {"s"}, {{"body", body}})
                                .output("s")
                                .import();
  EXPECT_EQ(type_of(graph, "s"), "sequence<float32[3]>");
}

TEST(Sequence, ErrorsNameTheNodeAndWhatIsWrong) {
  ModelBuilder mixed;
  mixed.input("x", {2}).input("i", {2}, kInt64);
  EXPECT_THAT(ModelBuilder(mixed)
                  .node("SequenceConstruct", {"x", "i"}, {"s"}, {}, "mix")
                  .output("s")
                  .error()
                  .message(),
              HasSubstr("'mix'"));
  EXPECT_THAT(
      ModelBuilder(mixed).node("SequenceAt", {"x", "i"}, {"y"}).output("y").error().message(),
      HasSubstr("must be a sequence"));
  ModelBuilder any;
  *any.proto.mutable_graph()->add_input() = sequence_info("s", {2});
  any.proto.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_sequence_type()
      ->mutable_elem_type()
      ->mutable_tensor_type()
      ->clear_shape();
  any.input("p", {}, kInt64);
  EXPECT_THAT(ModelBuilder(any).node("SequenceAt", {"s", "p"}, {"y"}).output("y").error().message(),
              HasSubstr("sequence<float32[*]> is not known"));
  EXPECT_THAT(ModelBuilder(any).node("Add", {"s", "s"}, {"y"}).output("y").error().message(),
              HasSubstr("takes tensors"));
}

TEST(Sequence, OtherKindsOfValuesAreNamed) {
  ModelBuilder model;
  onnx::ValueInfoProto map;
  map.set_name("m");
  map.mutable_type()->mutable_map_type()->set_key_type(kInt64);
  *model.proto.mutable_graph()->add_input() = map;
  EXPECT_THAT(model.node("Identity", {"m"}, {"y"}).output("y").error().message(),
              HasSubstr("map (input 'm')"));
}

TEST(Strings, ConstantsOfTheModelAreRead) {
  onnx::TensorProto words;
  words.set_name("words");
  words.set_data_type(onnx::TensorProto::STRING);
  words.add_dims(2);
  words.add_string_data("a");
  ModelBuilder model;
  model.input("x", {2}, onnx::TensorProto::STRING).node("Equal", {"x", "words"}, {"y"}).output("y");
  EXPECT_THAT(ModelBuilder(model).initializer(words).error().message(),
              HasSubstr("holds 1 strings"));
  words.add_string_data("b");
  Result<ir::Graph> graph = ModelBuilder(model).initializer(words).import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "StringEqual");
  EXPECT_THAT(ir::to_text(*graph), HasSubstr("const string[2][\"a\", \"b\"]"));
}

TEST(Strings, CastReadsAndWritesNumbers) {
  Result<ir::Graph> graph =
      ModelBuilder()
          .input("x", {2}, onnx::TensorProto::STRING)
          .node("Cast", {"x"}, {"n"}, {{"to", int64_t{onnx::TensorProto::DOUBLE}}})
          .node("Cast", {"n"}, {"s"}, {{"to", int64_t{onnx::TensorProto::STRING}}})
          .output("s")
          .import();
  ASSERT_TRUE(graph.is_ok()) << graph.status().message();
  EXPECT_EQ(ops_of(graph->main), "StringToNumber NumberToString");
  EXPECT_EQ(type_of(graph, "n"), "float64[2]");
}

}  // namespace
}  // namespace penstock::importer
