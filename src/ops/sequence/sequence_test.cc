// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/sequence/sequence.h"

#include <gmock/gmock.h>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr DataType kSequence = DataType::kSequence;

HostTensor handle(DataType dtype, const TensorList* list) {
  HostTensor tensor = HostTensor::zeros(dtype, {});
  *static_cast<const TensorList**>(tensor.data()) = list;
  return tensor;
}

HostTensor sequence(std::vector<Tensor> tensors) {
  auto pool = std::make_shared<ObjectPool>();
  HostTensor tensor = handle(kSequence, pool->add(std::move(tensors)));
  tensor.objects = pool;
  return tensor;
}

Tensor floats_tensor(Shape shape, const std::vector<float>& values) {
  return Tensor::from<float>(DataType::kFloat32, std::move(shape), values);
}

std::vector<std::vector<float>> elements_of(const HostTensor& tensor) {
  const auto* list = *static_cast<const TensorList* const*>(tensor.data());
  std::vector<std::vector<float>> elements;
  for (const Tensor& t : *list) elements.emplace_back(t.as<float>().begin(), t.as<float>().end());
  return elements;
}

const HostTensor& two() {
  static const HostTensor kTwo = sequence({floats_tensor({1}, {1}), floats_tensor({2}, {2, 3})});
  return kTwo;
}

TEST(Sequence, ConstructsFromTensors) {
  EXPECT_THAT(
      elements_of(
          reference({"SequenceConstruct", {}, {floats({1}, {4}), floats({2}, {5, 6})}, {kSequence}})
              .at(0)),
      ElementsAre(ElementsAre(4), ElementsAre(5, 6)));
  EXPECT_THAT(elements_of(reference({"SequenceEmpty", {}, {}, {kSequence}}).at(0)), ElementsAre());
}

TEST(Sequence, InsertsAtAPositionOrAtTheEnd) {
  const auto insert = [](std::vector<HostTensor> inputs) {
    return elements_of(reference({"SequenceInsert", {}, std::move(inputs), {kSequence}}).at(0));
  };
  const HostTensor nine = floats({1}, {9});
  EXPECT_THAT(insert({two(), nine}),
              ElementsAre(ElementsAre(1), ElementsAre(2, 3), ElementsAre(9)));
  EXPECT_THAT(insert({two(), nine, int64s({}, {-2})}),
              ElementsAre(ElementsAre(9), ElementsAre(1), ElementsAre(2, 3)));
  EXPECT_THAT(elements_of(two()), ElementsAre(ElementsAre(1), ElementsAre(2, 3)));  // unchanged
  EXPECT_THAT(reference_status({"SequenceInsert", {}, {two(), nine, int64s({}, {3})}, {kSequence}})
                  .message(),
              HasSubstr("-2 to 2"));
}

TEST(Sequence, ErasesTakesAndCounts) {
  EXPECT_THAT(elements_of(reference({"SequenceErase", {}, {two()}, {kSequence}}).at(0)),
              ElementsAre(ElementsAre(1)));
  EXPECT_THAT(
      elements_of(reference({"SequenceErase", {}, {two(), int64s({}, {0})}, {kSequence}}).at(0)),
      ElementsAre(ElementsAre(2, 3)));
  EXPECT_TRUE(
      matches(reference({"SequenceAt", {}, {two(), int64s({}, {-1})}}).at(0), floats({2}, {2, 3})));
  EXPECT_TRUE(matches(reference({"SequenceLength", {}, {two()}, {DataType::kInt64}}).at(0),
                      int64s({}, {2})));
  EXPECT_THAT(reference_status({"SequenceAt", {}, {two(), int64s({}, {2})}}).message(),
              HasSubstr("-2 to 1"));
  EXPECT_THAT(reference_status({"SequenceErase", {}, {sequence({})}, {kSequence}}).message(),
              HasSubstr("empty"));
}

std::vector<std::vector<float>> split(const ir::Attributes& attributes,
                                      std::vector<HostTensor> more) {
  std::vector<HostTensor> inputs = {floats({2, 3}, {1, 2, 3, 4, 5, 6})};
  for (HostTensor& input : more) inputs.push_back(std::move(input));
  return elements_of(reference({"SplitToSequence", attributes, inputs, {kSequence}}).at(0));
}

TEST(SplitToSequence, IntoPiecesOfASizeOfSizesOrOfOne) {
  ir::Attributes columns;
  columns.set("axis", int64_t{-1});
  EXPECT_THAT(split(columns, {int64s({}, {2})}),
              ElementsAre(ElementsAre(1, 2, 4, 5), ElementsAre(3, 6)));
  EXPECT_THAT(split(columns, {int64s({2}, {1, 2})}),
              ElementsAre(ElementsAre(1, 4), ElementsAre(2, 3, 5, 6)));
  EXPECT_THAT(split({}, {}), ElementsAre(ElementsAre(1, 2, 3), ElementsAre(4, 5, 6)));
  EXPECT_THAT(reference_status({"SplitToSequence",
                                columns,
                                {floats({2, 3}, {1, 2, 3, 4, 5, 6}), int64s({2}, {1, 1})},
                                {kSequence}})
                  .message(),
              HasSubstr("[1, 1] do not add up to the extent 3"));
}

TEST(SplitToSequence, InfersTheShapeOfAPiece) {
  ir::Attributes attributes;
  attributes.set("keepdims", int64_t{0});
  const auto element = [&](const ir::Attributes& with, std::vector<Fact> inputs) {
    const Inferred inferred = infer("SplitToSequence", with, inputs);
    return inferred.status.is_ok() ? ir::to_string(*inferred.outputs.at(0).element)
                                   : inferred.status.message();
  };
  EXPECT_EQ(element(attributes, {fact(DataType::kFloat32, "n, 3")}), "float32[3]");
  EXPECT_EQ(element({}, {fact(DataType::kFloat32, "4, 3"), constant_fact(int64s({}, {2}))}),
            "float32[2, 3]");
  EXPECT_EQ(element({}, {fact(DataType::kFloat32, "5, 3"), constant_fact(int64s({}, {2}))}),
            "float32[-1, 3]");
}

TEST(ConcatFromSequence, JoinsOrStacks) {
  ir::Attributes attributes;
  attributes.set("axis", int64_t{0});
  EXPECT_TRUE(matches(reference({"ConcatFromSequence", attributes, {two()}}).at(0),
                      floats({3}, {1, 2, 3})));
  attributes.set("axis", int64_t{-1});
  attributes.set("new_axis", int64_t{1});
  const HostTensor pair = sequence({floats_tensor({2}, {1, 2}), floats_tensor({2}, {3, 4})});
  EXPECT_TRUE(matches(reference({"ConcatFromSequence", attributes, {pair}}).at(0),
                      floats({2, 2}, {1, 3, 2, 4})));
  EXPECT_THAT(reference_status({"ConcatFromSequence", attributes, {two()}}).message(),
              HasSubstr("[1] and [2]"));
}

TEST(Optional, HoldsATensorASequenceOrNothing) {
  constexpr DataType kOptionalType = DataType::kOptional;
  const HostTensor tensor = reference({"Optional", {}, {floats({1}, {7})}, {kOptionalType}}).at(0);
  EXPECT_TRUE(matches(reference({"OptionalGetElement", {}, {tensor}}).at(0), floats({1}, {7})));
  const HostTensor list = reference({"Optional", {}, {two()}, {kOptionalType}}).at(0);
  EXPECT_THAT(elements_of(reference({"OptionalGetElement", {}, {list}, {kSequence}}).at(0)),
              ElementsAre(ElementsAre(1), ElementsAre(2, 3)));
  const HostTensor none = handle(kOptionalType, nullptr);
  const auto has = [](const HostTensor& x) {
    return reference({"OptionalHasElement", {}, {x}, {DataType::kBool}}).at(0);
  };
  EXPECT_TRUE(matches(has(list), test::tensor(DataType::kBool, {}, {1})));
  EXPECT_TRUE(matches(has(none), test::tensor(DataType::kBool, {}, {0})));
  EXPECT_THAT(reference_status({"OptionalGetElement", {}, {none}}).message(),
              HasSubstr("holds nothing"));
}

}  // namespace
}  // namespace penstock::ops::test
