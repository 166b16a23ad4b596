// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Values that are no plain tensors, from an ONNX model to answers: strings, sequences, optionals.
#include <gmock/gmock.h>

#include <fstream>

#include "import/model_testlib.h"
#include "shipped_model.h"

namespace penstock::test {
namespace {

using importer::kBool;
using importer::kFloat;
using importer::kInt64;
using importer::make_node;
using importer::ModelBuilder;
using importer::Names;
using importer::value_info;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kString = onnx::TensorProto::STRING;

Result<ExecutionContext> context_of(const ModelBuilder& model) {
  const TemporaryFile onnx("values.onnx");
  const TemporaryFile plan("values.plan");
  std::ofstream(onnx.path(), std::ios::binary) << model.bytes();
  BuildOptions options;
  options.threads = 1;
  PENSTOCK_RETURN_IF_ERROR(build_plan(onnx.path(), plan.path(), options).status());
  PENSTOCK_ASSIGN_OR_RETURN(const Engine engine, Engine::load(plan.path()));
  return engine.create_context();
}

using Values = std::map<std::string, Value>;

Values run(const ModelBuilder& model, const Values& inputs) {
  Result<ExecutionContext> context = context_of(model);
  EXPECT_TRUE(context.is_ok()) << context.status().message();
  if (!context.is_ok()) return {};
  (void)context->run_values(inputs);  // the second run must not see what the first left behind
  Result<Values> outputs = context->run_values(inputs);
  EXPECT_TRUE(outputs.is_ok()) << outputs.status().message();
  return outputs.is_ok() ? *outputs : Values();
}

Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::from<float>(DataType::kFloat32, std::move(shape), values);
}
Tensor int64(int64_t value) {
  return Tensor::from<int64_t>(DataType::kInt64, {}, std::vector{value});
}
Tensor boolean(bool value) {
  Tensor tensor(DataType::kBool, {});
  tensor.as<bool>()[0] = value;
  return tensor;
}
Tensor strings(Shape shape, const std::vector<std::string_view>& values) {
  return Tensor::from_strings(std::move(shape), values);
}

std::vector<std::vector<float>> floats_of(const Value& sequence) {
  std::vector<std::vector<float>> all;
  for (const Tensor& tensor : sequence.tensors()) all.push_back(to_vector(tensor));
  return all;
}

// A sequence, an optional tensor and an optional sequence of float tensors of that shape.
onnx::ValueInfoProto sequence_info(const std::string& name, const importer::Extents& shape) {
  onnx::ValueInfoProto info;
  info.set_name(name);
  *info.mutable_type()->mutable_sequence_type()->mutable_elem_type() =
      value_info(name, kFloat, shape).type();
  return info;
}
onnx::ValueInfoProto optional_info(const std::string& name, const onnx::ValueInfoProto& held) {
  onnx::ValueInfoProto info;
  info.set_name(name);
  *info.mutable_type()->mutable_optional_type()->mutable_elem_type() = held.type();
  return info;
}
void add_input(ModelBuilder& model, onnx::ValueInfoProto info) {
  *model.proto.mutable_graph()->add_input() = std::move(info);
}

onnx::GraphProto make_graph(const Names& inputs, const std::vector<onnx::NodeProto>& nodes,
                            const Names& outputs) {
  onnx::GraphProto graph;
  graph.set_name("body");
  for (const std::string& input : inputs) graph.add_input()->set_name(input);
  for (const onnx::NodeProto& node : nodes) *graph.add_node() = node;
  for (const std::string& output : outputs) graph.add_output()->set_name(output);
  return graph;
}

TEST(Values, SequencesGrowAndShrink) {
  ModelBuilder model;
  model.input("x", {"n"}).input("y", {"m"}).input("at", {}, kInt64);
  model.node("SequenceEmpty", {}, {"s0"})
      .node("SequenceInsert", {"s0", "x"}, {"s1"})
      .node("SequenceInsert", {"s1", "y", "at"}, {"s2"})
      .node("SequenceAt", {"s2", "at"}, {"element"})
      .node("SequenceErase", {"s2", "at"}, {"s3"})
      .node("SequenceLength", {"s3"}, {"length"})
      .node("ConcatFromSequence", {"s2"}, {"all"}, {{"axis", int64_t{0}}})
      .output("s2")
      .output("element")
      .output("s3")
      .output("length")
      .output("all");
  const Values outputs =
      run(model, {{"x", floats({2}, {1, 2})}, {"y", floats({1}, {3})}, {"at", int64(-1)}});
  ASSERT_EQ(outputs.size(), 5U);
  EXPECT_THAT(floats_of(outputs.at("s2")), ElementsAre(ElementsAre(3), ElementsAre(1, 2)));
  EXPECT_THAT(to_vector(outputs.at("element").tensor()), ElementsAre(1, 2));
  EXPECT_THAT(floats_of(outputs.at("s3")), ElementsAre(ElementsAre(3)));
  EXPECT_EQ(outputs.at("length").tensor().as<int64_t>()[0], 1);
  EXPECT_THAT(to_vector(outputs.at("all").tensor()), ElementsAre(3, 1, 2));
}

TEST(Values, PositionsOutsideNameTheLimits) {
  ModelBuilder model;
  add_input(model, sequence_info("s", {2}));
  model.input("at", {}, kInt64).node("SequenceAt", {"s", "at"}, {"y"}, {}, "pick").output("y");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  const Value two = Value::sequence({floats({2}, {1, 2}), floats({2}, {3, 4})});
  const auto outside = context->run_values({{"s", two}, {"at", int64(2)}});
  EXPECT_THAT(outside.status().message(), HasSubstr("'pick'"));
  EXPECT_THAT(outside.status().message(), HasSubstr("takes -2 to 1"));
  const auto empty = context->run_values({{"s", Value::sequence({})}, {"at", int64(0)}});
  EXPECT_THAT(empty.status().message(), HasSubstr("empty"));
  const auto inside = context->run_values({{"s", two}, {"at", int64(-1)}});
  ASSERT_TRUE(inside.is_ok()) << inside.status().message();
  EXPECT_THAT(to_vector(inside->at("y").tensor()), ElementsAre(3, 4));
}

TEST(Values, WrongKindsAreRefusedAndTheContextStaysUsable) {
  ModelBuilder model;
  add_input(model, sequence_info("s", {2}));
  model.node("SequenceLength", {"s"}, {"n"}).output("n");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  const auto error = [&](const Value& value) { return context->set_input("s", value).message(); };
  EXPECT_THAT(error(floats({2}, {1, 2})), HasSubstr("'s' takes sequence of float32, not a tensor"));
  EXPECT_THAT(error(Value()), HasSubstr("not nothing"));
  EXPECT_THAT(error(Value::sequence({int64(1)})), HasSubstr("int64"));
  EXPECT_THAT(error(Value::sequence({floats({3}, {1, 2, 3})})), HasSubstr("[3]"));
  EXPECT_THAT(context->set_tensor_address("s", nullptr).message(), HasSubstr("set_input"));
  EXPECT_THAT(context->run({{"s", floats({2}, {1, 2})}}).status().message(),
              HasSubstr("run_values"));
  const auto length = context->run_values({{"s", Value::sequence({floats({2}, {1, 2})})}});
  ASSERT_TRUE(length.is_ok()) << length.status().message();
  EXPECT_EQ(length->at("n").tensor().as<int64_t>()[0], 1);
}

TEST(Values, TellWhatAModelTakes) {
  ModelBuilder model;
  add_input(model, optional_info("o", sequence_info("", {"n", 4})));
  model.node("Identity", {"o"}, {"y"}).output("y");
  const TemporaryFile onnx("info.onnx");
  const TemporaryFile plan("info.plan");
  std::ofstream(onnx.path(), std::ios::binary) << model.bytes();
  ASSERT_TRUE(build_plan(onnx.path(), plan.path()).is_ok());
  const Result<Engine> engine = Engine::load(plan.path());
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  for (const TensorInfo& info : {engine->inputs()[0], engine->outputs()[0]}) {
    EXPECT_EQ(info.kind, ValueKind::kOptionalSequence);
    EXPECT_EQ(info.dtype, DataType::kFloat32);
    EXPECT_EQ(info.shape, (Shape{-1, 4}));
    EXPECT_TRUE(info.has_rank);
  }
}

// Each iteration writes its tensor to the same memory: the sequence must hold what it was.
TEST(Values, LoopsCollectTensorsOfManyShapes) {
  ModelBuilder model;
  model.input("x", {"n"}).input("trips", {}, kInt64);
  model.initializer(importer::int64_tensor("zero", {0}))
      .initializer(importer::int64_tensor("one", {1}));
  const onnx::GraphProto body = make_graph(
      {"i", "go", "in"},
      {make_node("Reshape", {"i", "one"}, {"begin"}), make_node("Add", {"begin", "one"}, {"end"}),
       make_node("Slice", {"x", "zero", "end"}, {"head"}), make_node("Neg", {"head"}, {"negative"}),
       make_node("SequenceInsert", {"in", "negative"}, {"out"})},
      {"go", "out"});
  model.node("SequenceEmpty", {}, {"empty"})
      .node("Loop", {"trips", "", "empty"}, {"s"}, {{"body", body}})
      .output("s");
  const Tensor x = floats({3}, {1, 2, 3});
  EXPECT_THAT(floats_of(run(model, {{"x", x}, {"trips", int64(3)}}).at("s")),
              ElementsAre(ElementsAre(-1), ElementsAre(-1, -2), ElementsAre(-1, -2, -3)));
  EXPECT_TRUE(run(model, {{"x", x}, {"trips", int64(0)}}).at("s").tensors().empty());
}

TEST(Values, SequenceMapRunsItsBodyOnEachTensor) {
  ModelBuilder model;
  add_input(model, sequence_info("s", {"n"}));
  model.input("b", {1});
  const onnx::GraphProto body = make_graph(
      {"t", "c"}, {make_node("Add", {"t", "c"}, {"sum"}), make_node("Shape", {"t"}, {"size"})},
      {"sum", "size"});
  model.node("SequenceMap", {"s", "b"}, {"sums", "sizes"}, {{"body", body}})
      .output("sums")
      .output("sizes");
  const Values outputs = run(
      model,
      {{"s", Value::sequence({floats({1}, {1}), floats({2}, {2, 3})})}, {"b", floats({1}, {10})}});
  EXPECT_THAT(floats_of(outputs.at("sums")), ElementsAre(ElementsAre(11), ElementsAre(12, 13)));
  ASSERT_EQ(outputs.at("sizes").tensors().size(), 2U);
  EXPECT_EQ(outputs.at("sizes").tensors()[1].as<int64_t>()[0], 2);
}

TEST(Values, OptionalsPassThroughIf) {
  ModelBuilder model;
  model.input("c", {}, kBool).input("x", {2});
  onnx::NodeProto none = make_node("Optional", {}, {"b"});
  onnx::AttributeProto& type = *none.add_attribute();
  type.set_name("type");
  type.set_type(onnx::AttributeProto::TYPE_PROTO);
  *type.mutable_tp() = value_info("", kFloat, {2}).type();
  model
      .node("If", {"c"}, {"o"},
            {{"then_branch", make_graph({}, {make_node("Optional", {"x"}, {"a"})}, {"a"})},
             {"else_branch", make_graph({}, {none}, {"b"})}})
      .node("OptionalHasElement", {"o"}, {"has"})
      .output("o")
      .output("has");
  Values outputs = run(model, {{"c", boolean(true)}, {"x", floats({2}, {1, 2})}});
  EXPECT_THAT(to_vector(outputs.at("o").tensor()), ElementsAre(1, 2));
  EXPECT_TRUE(outputs.at("has").tensor().as<bool>()[0]);
  outputs = run(model, {{"c", boolean(false)}, {"x", floats({2}, {1, 2})}});
  EXPECT_TRUE(outputs.at("o").is_none());
  EXPECT_FALSE(outputs.at("has").tensor().as<bool>()[0]);
}

TEST(Values, AnEmptyOptionalHasNoElement) {
  ModelBuilder model;
  add_input(model, optional_info("o", value_info("", kFloat, {2})));
  model.node("OptionalGetElement", {"o"}, {"y"}).output("y");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  EXPECT_THAT(context->run_values({}).status().message(), HasSubstr("holds nothing"));
  const auto outputs = context->run_values({{"o", floats({2}, {1, 2})}});
  ASSERT_TRUE(outputs.is_ok()) << outputs.status().message();
  EXPECT_THAT(to_vector(outputs->at("y").tensor()), ElementsAre(1, 2));
}

onnx::TensorProto string_tensor(const std::string& name, const Names& values) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(kString);
  tensor.add_dims(static_cast<int64_t>(values.size()));
  for (const std::string& value : values) tensor.add_string_data(value);
  return tensor;
}

TEST(Values, StringsFromInputsAndFromThePlan) {
  ModelBuilder model(20);
  model.input("x", {"n"}, kString)
      .initializer(string_tensor("suffix", {"!"}))
      .initializer(string_tensor("words", {"a", "caf\xC3\xA9!", ""}))
      .initializer(importer::int64_tensor("last", {2, 0}));
  model.node("StringConcat", {"x", "suffix"}, {"loud"})
      .node("Equal", {"loud", "words"}, {"same"})
      .node("Gather", {"loud", "last"}, {"picked"})
      .node("Identity", {"words"}, {"constant"})
      .output("loud")
      .output("same")
      .output("picked")
      .output("constant");
  const Values outputs = run(model, {{"x", strings({3}, {"a", "caf\xC3\xA9", ""})}});
  EXPECT_THAT(outputs.at("loud").tensor().strings(), ElementsAre("a!", "caf\xC3\xA9!", "!"));
  const auto same = outputs.at("same").tensor().as<bool>();
  EXPECT_THAT(std::vector<bool>(same.begin(), same.end()), ElementsAre(false, true, false));
  EXPECT_THAT(outputs.at("picked").tensor().strings(), ElementsAre("!", "a!"));
  EXPECT_THAT(outputs.at("constant").tensor().strings(), ElementsAre("a", "caf\xC3\xA9!", ""));
}

TEST(Values, SequencesOfStringsOutliveTheRun) {
  ModelBuilder model(20);
  model.input("x", {2}, kString)
      .node("StringConcat", {"x", "x"}, {"twice"})
      .node("SequenceConstruct", {"x", "twice"}, {"s"})
      .output("s");
  Result<ExecutionContext> context = context_of(model);
  ASSERT_TRUE(context.is_ok()) << context.status().message();
  const auto first = context->run_values({{"x", strings({2}, {"a", "b"})}});
  const auto second = context->run_values({{"x", strings({2}, {"c", "d"})}});
  ASSERT_TRUE(first.is_ok() && second.is_ok()) << second.status().message();
  EXPECT_THAT(first->at("s").tensors().at(1).strings(), ElementsAre("aa", "bb"));
  EXPECT_THAT(second->at("s").tensors().at(1).strings(), ElementsAre("cc", "dd"));
}

// Two sequences of a batch, each summed over its own axis 0.
TEST(Values, ScanOfOpset8HasABatch) {
  ModelBuilder model(8);
  model.input("initial", {2, 1}).input("x", {2, 3, 1});
  const onnx::GraphProto body = make_graph(
      {"sum_in", "next"},
      {make_node("Add", {"sum_in", "next"}, {"sum_out"}), make_node("Relu", {"sum_out"}, {"scan"})},
      {"sum_out", "scan"});
  model
      .node("Scan", {"", "initial", "x"}, {"y", "z"},
            {{"body", body}, {"num_scan_inputs", int64_t{1}}})
      .output("y")
      .output("z");
  const Values outputs = run(
      model, {{"initial", floats({2, 1}, {0, 10})}, {"x", floats({2, 3, 1}, {1, 2, 3, 4, 5, 6})}});
  EXPECT_THAT(to_vector(outputs.at("y").tensor()), ElementsAre(6, 25));
  EXPECT_THAT(to_vector(outputs.at("z").tensor()), ElementsAre(1, 3, 6, 14, 19, 25));
  EXPECT_EQ(outputs.at("z").tensor().shape(), (Shape{2, 3, 1}));
}

}  // namespace
}  // namespace penstock::test
