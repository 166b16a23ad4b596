// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/engine.h>
#include <penstock/status.h>
#include <penstock/tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// Arrays by name, samples along the first axis of each: inputs of a model, what a metric reads
// beside them, or outputs.
using Arrays = std::map<std::string, Tensor>;

// How good outputs are, as one number.
struct Metric {
  std::string name;            // "top1"
  bool is_percentage = false;  // figures are from 0 to 100, and differences are points
  bool higher_is_better =
      true;  // a loss is the reference's figure less the plan's; else minus that
  bool needs_reference = false;  // figures compare with the outputs of a reference
  // The figure of the outputs of all samples. `reference` are the reference's outputs, empty where
  // there is none. Errors name the array or output, and the sample.
  std::function<Result<double>(const Arrays& outputs, const Arrays& data, const Arrays& reference)>
      figure;
};

struct MetricOptions {
  std::string
      output;  // that is judged; empty: the only one; for answers the starts' and the ends': "a,b"
  std::string labels;  // the array with the right answers; empty: "labels", or "label"
};

// The metrics that have names:
// - "top1", "top5": how often the labels [samples], classes, are the largest, or among the five
//   largest, of the output [samples, classes]; in percent;
// - "auc": the chance that a sample of label 1 scores above one of label 0, ties counted half, of
//   the output [samples] or [samples, 1], or of the second column less the first; 0 to 1;
// - "f1", "exact_match": SQuAD 1.1's, in percent, of two outputs [samples, tokens], by default
//   "start_logits" and "end_logits". The answer is the span of at most 30 tokens with the largest
//   sum of the two. The data has "contexts" [samples], strings, "answers" [samples, most],
//   strings, filled up with empty ones, and "offsets" [samples, tokens, 2], where each token begins
//   and ends in the context, in characters; negative for tokens that are not of the context;
// - "cosine": the mean over samples of the cosine between the outputs and the reference's;
// - "max_error": the largest difference from the reference's outputs, relative to their largest
//   magnitude; less is better.
Result<Metric> find_metric(std::string_view name, const MetricOptions& options = {});
std::vector<std::string> metric_names();

// The largest loss that is accepted, such as "top1<=0.3": a metric's name and a number in its unit.
struct AccuracyBudget {
  std::string metric;
  double loss = 0;
};
Result<AccuracyBudget> parse_accuracy_budget(std::string_view text);

struct EvaluationOptions {
  int64_t batch = 0;         // samples that run at once; 0: as many as the plan is tuned for
  int64_t most_samples = 0;  // the first so many; 0: all
  int threads = 0;           // 0: as many as the plan is tuned for
  std::function<void(std::string_view what, double fraction)> progress;
  std::function<bool()> cancelled;
};

// Runs an engine over all samples and gives its outputs, samples along the first axis. Integers and
// floats become the input's type where that holds all their values. Errors name the input that the
// data lacks, counts of samples that differ, and the batch.
Result<Arrays> run_samples(const Engine& engine, const Arrays& data,
                           const EvaluationOptions& options = {});

// How accurate outputs are.
struct Accuracy {
  std::string metric;
  double figure = 0;
  double reference = 0;  // the reference's figure on the same samples; 0 without one
  double loss = 0;       // against the reference: negative where the plan is better
  bool has_reference = false;
  int64_t samples = 0;
};

// Evaluates `engine` on the data, and `reference`, if not null, on the same samples. A metric that
// needs a reference and has none is an error, and so is a figure that is no number.
Result<Accuracy> evaluate_accuracy(const Engine& engine, const Engine* reference,
                                   const Arrays& data, const Metric& metric,
                                   const EvaluationOptions& options = {});
// The same of outputs that run_samples() gave.
Result<Accuracy> judge_outputs(const Arrays& outputs, const Arrays* reference, const Arrays& data,
                               const Metric& metric);

}  // namespace penstock
