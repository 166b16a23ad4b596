// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "ops/testing.h"

namespace penstock::ops::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

HostTensor strings(Shape shape, const std::vector<std::string_view>& values) {
  HostTensor tensor{DataType::kString, shape, nullptr};
  tensor.storage = ir::make_string_constant(std::move(shape), values);
  return tensor;
}

// Copies: the tensor may be a temporary.
std::vector<std::string> strings_of(const HostTensor& tensor) {
  std::vector<std::string> texts;
  const auto* refs = static_cast<const StringRef*>(tensor.data());
  for (int64_t i = 0; i < element_count(tensor.shape); ++i) texts.emplace_back(refs[i].view());
  return texts;
}

constexpr DataType kText = DataType::kString;

TEST(StringConcat, Broadcasts) {
  const auto y = reference(
      {"StringConcat", {}, {strings({2, 1}, {"a", ""}), strings({2}, {"x", "y"})}, {kText}});
  EXPECT_EQ(y.at(0).shape, (Shape{2, 2}));
  EXPECT_THAT(strings_of(y.at(0)), ElementsAre("ax", "ay", "x", "y"));
}

TEST(StringEqual, ComparesAllCharacters) {
  const auto y = reference({"StringEqual",
                            {},
                            {strings({3}, {"a", "ab", ""}), strings({3}, {"a", "a", ""})},
                            {DataType::kBool}});
  EXPECT_TRUE(matches(y.at(0), tensor(DataType::kBool, {3}, {1, 0, 1})));
}

std::vector<HostTensor> split(std::string_view text, std::string_view delimiter, int64_t most) {
  ir::Attributes attributes;
  if (!delimiter.empty()) attributes.set("delimiter", std::string(delimiter));
  if (most >= 0) attributes.set("maxsplit", most);
  return reference({"StringSplit", attributes, {strings({1}, {text})}, {kText, DataType::kInt64}});
}

TEST(StringSplit, AtADelimiter) {
  EXPECT_THAT(strings_of(split("a,b,,c", ",", -1).at(0)), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(strings_of(split("a--b--c", "--", 1).at(0)), ElementsAre("a", "b--c"));
  EXPECT_THAT(strings_of(split("", ",", -1).at(0)), ElementsAre(""));
}

TEST(StringSplit, AtRunsOfSpace) {
  EXPECT_THAT(strings_of(split("  a \t b  ", "", -1).at(0)), ElementsAre("a", "b"));
  EXPECT_THAT(strings_of(split(" a  b c ", "", 1).at(0)), ElementsAre("a", "b c "));
  EXPECT_EQ(split("  ", "", -1).at(0).shape, (Shape{1, 0}));
}

TEST(StringSplit, FillsShorterRowsAndCounts) {
  const auto y =
      reference({"StringSplit", {}, {strings({2}, {"a b", "c"})}, {kText, DataType::kInt64}});
  EXPECT_EQ(y.at(0).shape, (Shape{2, 2}));
  EXPECT_THAT(strings_of(y.at(0)), ElementsAre("a", "b", "c", ""));
  EXPECT_TRUE(matches(y.at(1), int64s({2}, {2, 1})));
}

std::vector<std::string> normalize(ir::Attributes attributes,
                                   const std::vector<std::string_view>& words,
                                   std::vector<HostTensor>& keep) {
  keep = reference({"StringNormalizer",
                    std::move(attributes),
                    {strings({static_cast<int64_t>(words.size())}, words)},
                    {kText}});
  return strings_of(keep.at(0));
}

TEST(StringNormalizer, DropsWordsAndChangesCase) {
  std::vector<HostTensor> keep;
  ir::Attributes attributes;
  attributes.set("stopwords", std::vector<std::string>{"monday"});
  EXPECT_THAT(normalize(attributes, {"Monday", "b"}, keep), ElementsAre("b"));
  attributes.set("is_case_sensitive", int64_t{1});
  attributes.set("case_change_action", std::string("UPPER"));
  EXPECT_THAT(normalize(attributes, {"Monday", "monday", "\xC3\xA9t\xC3\xA9"}, keep),
              ElementsAre("MONDAY", "\xC3\x89T\xC3\x89"));
  EXPECT_THAT(normalize(attributes, {"monday"}, keep), ElementsAre(""));
}

TEST(RegexFullMatch, MatchesAllOfAString) {
  ir::Attributes attributes;
  attributes.set("pattern", std::string("(\\W|^)[\\w.\\-]{0,25}@(yahoo|gmail)\\.com(\\W|$)"));
  const auto y = reference({"RegexFullMatch",
                            attributes,
                            {strings({2}, {"account@gmail.com", "x account@gmail.com"})},
                            {DataType::kBool}});
  EXPECT_TRUE(matches(y.at(0), tensor(DataType::kBool, {2}, {1, 0})));
  attributes.set("pattern", std::string("("));
  const Inferred wrong = infer("RegexFullMatch", attributes, {fact(kText, "2")});
  EXPECT_THAT(wrong.status.message(), HasSubstr("'('"));
}

HostTensor parsed(DataType type, const std::vector<std::string_view>& texts) {
  ir::Attributes attributes;
  attributes.set("to", static_cast<int64_t>(type));
  return reference({"StringToNumber",
                    attributes,
                    {strings({static_cast<int64_t>(texts.size())}, texts)},
                    {type}})
      .at(0);
}

TEST(StringToNumber, ReadsPlainScientificAndSpecialNumbers) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(matches(
      parsed(DataType::kFloat32, {"3.14", "1e-5", "1E8", "+INF", "inf", "-INF", "NaN", "1e99"}),
      floats({8}, {3.14, 1e-5, 1e8, infinity, infinity, -infinity, NAN, infinity})));
  EXPECT_TRUE(
      matches(parsed(DataType::kInt64, {"-7", "+12", "100.5"}), int64s({3}, {-7, 12, 100})));
  ir::Attributes attributes;
  attributes.set("to", static_cast<int64_t>(DataType::kInt64));
  const Status wrong =
      reference_status({"StringToNumber", attributes, {strings({1}, {"ten"})}, {DataType::kInt64}});
  EXPECT_THAT(wrong.message(), HasSubstr("'ten'"));
}

TEST(NumberToString, WritesTheFewestDigits) {
  const auto y =
      reference({"NumberToString", {}, {floats({5}, {0.1, 1, -2.5, NAN, -INFINITY})}, {kText}});
  EXPECT_THAT(strings_of(y.at(0)), ElementsAre("0.1", "1", "-2.5", "NaN", "-INF"));
}

// The example of ONNX's documentation: 2-grams of [94, 17, 36, 12, 28] with up to two skips.
TEST(TfIdfVectorizer, CountsAndWeighs) {
  ir::Attributes attributes;
  attributes.set("mode", std::string("TF"));
  attributes.set("min_gram_length", int64_t{1});
  attributes.set("max_gram_length", int64_t{2});
  attributes.set("max_skip_count", int64_t{2});
  attributes.set("ngram_counts", std::vector<int64_t>{0, 1});
  attributes.set("pool_int64s", std::vector<int64_t>{36, 94, 12, 17, 36});
  attributes.set("ngram_indexes", std::vector<int64_t>{0, 2, 1});
  const OpCase c{
      "TfIdfVectorizer", attributes, {int64s({2, 5}, {94, 17, 36, 12, 28, 36, 36, 17, 36, 36})}};
  // [94, 12] stands two skips apart; [17, 36] without and with one skip in the second row.
  EXPECT_TRUE(matches(reference(c).at(0), floats({2, 3}, {1, 1, 1, 4, 2, 0})));
  OpCase weighted = c;
  weighted.attributes.set("mode", std::string("TFIDF"));
  weighted.attributes.set("weights", std::vector<float>{0.5f, 3, 2});
  EXPECT_TRUE(matches(reference(weighted).at(0), floats({2, 3}, {0.5, 2, 3, 2, 4, 0})));
  weighted.attributes.set("mode", std::string("IDF"));
  EXPECT_TRUE(matches(reference(weighted).at(0), floats({2, 3}, {0.5, 2, 3, 0.5, 2, 0})));
  weighted.attributes.set("ngram_counts", std::vector<int64_t>{0, 2});
  EXPECT_FALSE(reference_status(weighted).is_ok());
}

TEST(Unique, OfStrings) {
  const auto y =
      reference({"Unique", {}, {strings({4}, {"b", "a", "b", "c"})}, {kText, DataType::kInt64}});
  EXPECT_THAT(strings_of(y.at(0)), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(matches(y.at(1), int64s({3}, {1, 0, 3})));
}

}  // namespace
}  // namespace penstock::ops::test
