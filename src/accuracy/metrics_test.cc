// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <penstock/accuracy.h>

#include <cmath>

namespace penstock {
namespace {

using testing::HasSubstr;

Tensor floats(Shape shape, std::vector<float> values) {
  return Tensor::from<float>(DataType::kFloat32, std::move(shape), values);
}
Tensor integers(Shape shape, std::vector<int64_t> values) {
  return Tensor::from<int64_t>(DataType::kInt64, std::move(shape), values);
}
Tensor strings(Shape shape, std::vector<std::string_view> values) {
  return Tensor::from_strings(std::move(shape), values);
}

Result<double> figure(std::string_view metric, const Arrays& outputs, const Arrays& data,
                      const Arrays& reference = {}, const MetricOptions& options = {}) {
  PENSTOCK_ASSIGN_OR_RETURN(const Metric found, find_metric(metric, options));
  return found.figure(outputs, data, reference);
}

TEST(Metrics, TopCountsLabelsAmongTheLargest) {
  const Arrays outputs = {{"logits", floats({4, 6}, {9, 1, 2, 3, 4, 5,  //
                                                     9, 1, 2, 3, 4, 5,  //
                                                     9, 8, 7, 6, 5, 4,  //
                                                     1, 1, 1, 1, 1, 1})}};
  const Arrays data = {{"labels", integers({4}, {0, 1, 5, 0})}};
  EXPECT_DOUBLE_EQ(*figure("top1", outputs, data), 50);  // of equal scores the first counts
  EXPECT_DOUBLE_EQ(*figure("top5", outputs, data), 50);
}

TEST(Metrics, LabelsMayBeNamedAndTyped) {
  const Arrays outputs = {{"a", floats({2, 2}, {0, 1, 1, 0})}, {"b", floats({2, 2}, {1, 0, 1, 0})}};
  const std::vector<int8_t> elements = {1, 1};
  const Arrays data = {{"truth", Tensor::from<int8_t>(DataType::kInt8, {2}, elements)}};
  EXPECT_DOUBLE_EQ(*figure("top1", outputs, data, {}, {"a", "truth"}), 50);
  EXPECT_DOUBLE_EQ(*figure("top1", outputs, data, {}, {"b", "truth"}), 0);
}

TEST(Metrics, AucCountsTiesHalf) {
  const Arrays data = {{"label", integers({4}, {0, 1, 0, 1})}};
  // Of four pairs three are right, one is a tie: 0.1 < 0.8, 0.1 < 0.4, 0.4 = 0.4, 0.4 < 0.8.
  EXPECT_DOUBLE_EQ(*figure("auc", {{"p", floats({4, 1}, {0.1f, 0.8f, 0.4f, 0.4f})}}, data), 0.875);
  EXPECT_DOUBLE_EQ(*figure("auc", {{"p", floats({4}, {1, 2, 3, 4})}}, data), 0.75);
  EXPECT_DOUBLE_EQ(*figure("auc", {{"p", floats({4, 2}, {0, 4, 0, 3, 0, 2, 0, 1})}}, data), 0.25);
}

// The context is "Paris is a city"; the tokens are a mark, Paris, is, a, city.
Arrays question(std::vector<float> starts, std::vector<float> ends, Arrays& outputs) {
  outputs = {{"start_logits", floats({1, 5}, std::move(starts))},
             {"end_logits", floats({1, 5}, std::move(ends))}};
  return {{"contexts", strings({1}, {"Paris is a city"})},
          {"answers", strings({1, 2}, {"the city", ""})},
          {"offsets", integers({1, 5, 2}, {-1, -1, 0, 5, 6, 8, 9, 10, 11, 15})}};
}

TEST(Metrics, AnswersAreSpansOfTheContext) {
  Arrays outputs;
  Arrays data = question({99, 0, 0, 5, 1}, {99, 0, 0, 0, 9}, outputs);  // "a city"
  EXPECT_DOUBLE_EQ(*figure("exact_match", outputs, data), 100);
  data = question({0, 0, 9, 5, 1}, {0, 0, 0, 0, 9}, outputs);  // "is a city"
  EXPECT_DOUBLE_EQ(*figure("exact_match", outputs, data), 0);
  EXPECT_NEAR(*figure("f1", outputs, data), 100 * 2.0 / 3, 1e-9);  // precision 1/2, recall 1
}

TEST(Metrics, ComparesWithAReference) {
  const Arrays ours = {{"y", floats({2, 2}, {1, 0, 3, 4})}};
  const Arrays theirs = {{"y", floats({2, 2}, {0, 2, 3, 4})}};
  EXPECT_DOUBLE_EQ(*figure("cosine", ours, {}, theirs), 0.5);
  EXPECT_DOUBLE_EQ(*figure("max_error", ours, {}, theirs), 0.5);  // 2 of 4
  EXPECT_DOUBLE_EQ(*figure("cosine", ours, {}, ours), 1);
  EXPECT_DOUBLE_EQ(*figure("max_error", ours, {}, ours), 0);
}

TEST(Metrics, ErrorsNameWhatIsWrong) {
  const Arrays outputs = {{"logits", floats({2, 2}, {0, 1, 1, 0})}};
  const auto message = [&](std::string_view metric, const Arrays& data, const Arrays& of) {
    return figure(metric, of, data).status().message();
  };
  EXPECT_THAT(find_metric("top2").status().message(), HasSubstr("did you mean 'top1'"));
  EXPECT_THAT(message("top1", {{"x", floats({2}, {0, 1})}}, outputs),
              HasSubstr("no array 'labels', only x"));
  EXPECT_THAT(message("top1", {{"labels", integers({3}, {0, 1, 1})}}, outputs),
              HasSubstr("'labels' has 3 elements for the 2 samples of output 'logits'"));
  EXPECT_THAT(message("top1", {{"labels", integers({2}, {0, 7})}}, outputs),
              HasSubstr("label 7 of sample 1"));
  EXPECT_THAT(message("top1", {{"labels", floats({2}, {0, 0.5f})}}, outputs),
              HasSubstr("element 1 is 0.5, no whole number"));
  EXPECT_THAT(message("auc", {{"labels", integers({2}, {1, 1})}}, outputs), HasSubstr("the same"));
  EXPECT_THAT(message("auc", {{"labels", integers({2}, {1, 2})}}, outputs), HasSubstr("label 2"));
  EXPECT_THAT(message("f1", {}, outputs), HasSubstr("no output 'start_logits'"));
  EXPECT_THAT(message("top1", {{"labels", integers({2}, {0, 1})}},
                      {{"logits", floats({2, 2}, {0, 1, NAN, 0})}}),
              HasSubstr("output 'logits' of sample 1 has an element that is nan"));
}

TEST(Metrics, LossIsAgainstTheReference) {
  const Arrays data = {{"labels", integers({2}, {1, 0})}};
  const Arrays ours = {{"logits", floats({2, 2}, {0, 1, 0, 1})}};
  const Arrays theirs = {{"logits", floats({2, 2}, {0, 1, 1, 0})}};
  const Accuracy top = *judge_outputs(ours, &theirs, data, *find_metric("top1"));
  EXPECT_DOUBLE_EQ(top.figure, 50);
  EXPECT_DOUBLE_EQ(top.loss, 50);
  const Accuracy error = *judge_outputs(ours, &theirs, data, *find_metric("max_error"));
  EXPECT_DOUBLE_EQ(error.loss, 1);
  EXPECT_THAT(judge_outputs(ours, nullptr, data, *find_metric("cosine")).status().message(),
              HasSubstr("there is none"));
  Metric broken = *find_metric("top1");
  broken.figure = [](const Arrays&, const Arrays&, const Arrays&) { return Result<double>(NAN); };
  EXPECT_THAT(judge_outputs(ours, &theirs, data, broken).status().message(), HasSubstr("gave nan"));
}

TEST(Metrics, BudgetsAreRead) {
  EXPECT_EQ(parse_accuracy_budget("top1<=0.3")->metric, "top1");
  EXPECT_DOUBLE_EQ(parse_accuracy_budget("auc <= 2e-3")->loss, 0.002);
  for (const char* text :
       {"", "top1", "<=1", "top1<0.3", "top1<=", "top1<=x", "top1<=-1", "top1<=nan", "top1<=1 2"}) {
    EXPECT_THAT(parse_accuracy_budget(text).status().message(), HasSubstr("such as top1<=0.3"))
        << text;
  }
}

}  // namespace
}  // namespace penstock
