// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "accuracy/answer_spans.h"
#include "accuracy/samples.h"
#include "base/names.h"

namespace penstock {
namespace {

using accuracy::numbers;
using accuracy::whole_numbers;

Status wrong(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }

std::vector<std::string> names_of(const Arrays& arrays) {
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays) names.push_back(name);
  return names;
}

Result<const Tensor*> data_array(const Arrays& data, const std::string& name) {
  if (const auto it = data.find(name); it != data.end()) return &it->second;
  return wrong("the data has no array '" + name + "'; " + suggest(name, names_of(data)));
}

Result<std::string> labels_name(const Arrays& data, const std::string& asked) {
  if (!asked.empty()) return asked;
  for (const char* name : {"labels", "label"}) {
    if (data.count(name) != 0) return std::string(name);
  }
  std::string held;
  for (const std::string& name : names_of(data)) held += (held.empty() ? "" : ", ") + name;
  return wrong("the data has no array 'labels', only " + (held.empty() ? "none" : held));
}

// An output and its elements, all of them numbers.
struct Judged {
  std::string name;
  Shape shape;
  std::vector<double> values;
  int64_t samples() const { return shape.empty() ? 0 : shape[0]; }
  int64_t width() const {
    return samples() == 0 ? 0 : static_cast<int64_t>(values.size()) / samples();
  }
  std::span<const double> sample(int64_t i) const {
    return std::span(values).subspan(static_cast<size_t>(i * width()),
                                     static_cast<size_t>(width()));
  }
};

Result<Judged> judged(const Arrays& outputs, const std::string& name) {
  const auto it = outputs.find(name);
  if (it == outputs.end()) {
    return wrong("the model has no output '" + name + "'; " + suggest(name, names_of(outputs)));
  }
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<double> values, numbers(it->second, name));
  Judged result{name, it->second.shape(), std::move(values)};
  for (size_t i = 0; i < result.values.size(); ++i) {
    if (!std::isnan(result.values[i])) continue;
    return wrong(fmt::format("output '{}' of sample {} has an element that is nan", name,
                             static_cast<int64_t>(i) / std::max<int64_t>(1, result.width())));
  }
  return result;
}

Result<Judged> only_output(const Arrays& outputs, const std::string& asked) {
  if (!asked.empty()) return judged(outputs, asked);
  if (outputs.size() == 1) return judged(outputs, outputs.begin()->first);
  std::string known;
  for (const std::string& name : names_of(outputs)) known += (known.empty() ? "" : ", ") + name;
  return wrong("the model has several outputs: tell which one is judged, of " + known);
}

// Whole numbers, one for each sample of the output.
Result<std::vector<int64_t>> labels_of(const Arrays& data, const MetricOptions& options,
                                       const Judged& output) {
  PENSTOCK_ASSIGN_OR_RETURN(const std::string name, labels_name(data, options.labels));
  PENSTOCK_ASSIGN_OR_RETURN(const Tensor* array, data_array(data, name));
  PENSTOCK_ASSIGN_OR_RETURN(std::vector<int64_t> labels, whole_numbers(*array, name));
  if (static_cast<int64_t>(labels.size()) == output.samples()) return labels;
  return wrong(fmt::format("array '{}' has {} elements for the {} samples of output '{}'", name,
                           labels.size(), output.samples(), output.name));
}

Result<double> top(int64_t most, const Arrays& outputs, const Arrays& data,
                   const MetricOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const Judged output, only_output(outputs, options.output));
  if (output.shape.size() != 2 || output.width() < 2) {
    return wrong(fmt::format("output '{}' has shape {}; classes need [samples, classes]",
                             output.name, to_string(output.shape)));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> labels, labels_of(data, options, output));
  int64_t right = 0;
  for (int64_t i = 0; i < output.samples(); ++i) {
    const std::span<const double> scores = output.sample(i);
    if (labels[i] < 0 || labels[i] >= output.width()) {
      return wrong(fmt::format("label {} of sample {} is none of the {} classes of output '{}'",
                               labels[i], i, output.width(), output.name));
    }
    int64_t before = 0;  // classes that come first; of equal ones those of lower numbers
    for (int64_t c = 0; c < output.width(); ++c) {
      if (scores[c] > scores[labels[i]] || (scores[c] == scores[labels[i]] && c < labels[i])) {
        ++before;
      }
    }
    if (before < most) ++right;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(output.samples());
}

// The rank-sum of Wilcoxon, Mann and Whitney.
double area(const std::vector<double>& scores, const std::vector<int64_t>& labels,
            double positives) {
  std::vector<size_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double ranks = 0;
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    double tied = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[i]]; ++end) {
      tied += static_cast<double>(labels[order[end]]);
    }
    ranks += tied * (static_cast<double>(i + end) + 1) / 2;
    i = end;
  }
  const double negatives = static_cast<double>(scores.size()) - positives;
  return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

Result<double> area_under_curve(const Arrays& outputs, const Arrays& data,
                                const MetricOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const Judged output, only_output(outputs, options.output));
  if (output.width() != 1 && output.width() != 2) {
    return wrong(
        fmt::format("output '{}' has shape {}; a curve needs one score or two for each "
                    "sample",
                    output.name, to_string(output.shape)));
  }
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> labels, labels_of(data, options, output));
  double positives = 0;
  std::vector<double> scores;
  for (int64_t i = 0; i < output.samples(); ++i) {
    if (labels[i] != 0 && labels[i] != 1) {
      return wrong(fmt::format("label {} of sample {}; a curve needs 0 and 1", labels[i], i));
    }
    positives += static_cast<double>(labels[i]);
    const std::span<const double> sample = output.sample(i);
    scores.push_back(sample.size() == 1 ? sample[0] : sample[1] - sample[0]);
  }
  if (positives == 0 || positives == static_cast<double>(output.samples())) {
    return wrong("all labels are the same; a curve needs samples of 0 and of 1");
  }
  return area(scores, labels, positives);
}

using Judge = double (*)(std::string_view answer, std::string_view truth);

struct Answers {
  Judged starts;
  Judged ends;
  std::vector<std::string_view> contexts;
  std::vector<std::string_view> truths;  // as many for each sample
  std::vector<int64_t> offsets;          // two for each token
};

Result<std::vector<std::string_view>> strings_of(const Arrays& data, const std::string& name,
                                                 int64_t samples) {
  PENSTOCK_ASSIGN_OR_RETURN(const Tensor* array, data_array(data, name));
  if (array->dtype() != DataType::kString) {
    return wrong(fmt::format("array '{}' holds {}, not strings", name, to_string(array->dtype())));
  }
  if (!array->shape().empty() && array->shape()[0] == samples) return array->strings();
  return wrong(fmt::format("array '{}' has shape {} for {} samples", name,
                           to_string(array->shape()), samples));
}

Result<Answers> answers_of(const Arrays& outputs, const Arrays& data,
                           const MetricOptions& options) {
  const std::string both = options.output.empty() ? "start_logits,end_logits" : options.output;
  const size_t comma = both.find(',');
  if (comma == std::string::npos) {
    return wrong("output '" + both + "': answers need two, 'starts,ends'");
  }
  Answers result;
  PENSTOCK_ASSIGN_OR_RETURN(result.starts, judged(outputs, both.substr(0, comma)));
  PENSTOCK_ASSIGN_OR_RETURN(result.ends, judged(outputs, both.substr(comma + 1)));
  if (result.starts.shape != result.ends.shape || result.starts.shape.size() != 2) {
    return wrong(fmt::format("outputs '{}' have shapes {} and {}; answers need [samples, tokens]",
                             both, to_string(result.starts.shape), to_string(result.ends.shape)));
  }
  const int64_t samples = result.starts.samples();
  PENSTOCK_ASSIGN_OR_RETURN(result.contexts, strings_of(data, "contexts", samples));
  const std::string labels = options.labels.empty() ? "answers" : options.labels;
  PENSTOCK_ASSIGN_OR_RETURN(result.truths, strings_of(data, labels, samples));
  PENSTOCK_ASSIGN_OR_RETURN(const Tensor* offsets, data_array(data, "offsets"));
  PENSTOCK_ASSIGN_OR_RETURN(result.offsets, whole_numbers(*offsets, "offsets"));
  if (static_cast<int64_t>(result.contexts.size()) != samples ||
      offsets->shape() != Shape{samples, result.starts.width(), 2}) {
    return wrong(fmt::format("arrays 'contexts' {} and 'offsets' {} do not fit output '{}' {}",
                             result.contexts.size(), to_string(offsets->shape()),
                             result.starts.name, to_string(result.starts.shape)));
  }
  return result;
}

Result<double> answers(Judge judge, const Arrays& outputs, const Arrays& data,
                       const MetricOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const Answers all, answers_of(outputs, data, options));
  const int64_t samples = all.starts.samples();
  const auto width = static_cast<size_t>(all.starts.width());
  const size_t most = all.truths.size() / static_cast<size_t>(samples);
  double sum = 0;
  for (int64_t i = 0; i < samples; ++i) {
    const std::span<const int64_t> offsets =
        std::span(all.offsets).subspan(static_cast<size_t>(i) * width * 2, width * 2);
    const accuracy::TokenSpan found =
        accuracy::best_span(all.starts.sample(i), all.ends.sample(i), offsets);
    const std::string_view answer =
        found.begin < 0 ? std::string_view()
                        : accuracy::characters(all.contexts[i], offsets[found.begin * 2],
                                               offsets[found.end * 2 + 1]);
    double best = -1;
    for (size_t k = 0; k < most; ++k) {
      const std::string_view truth = all.truths[static_cast<size_t>(i) * most + k];
      if (!truth.empty()) best = std::max(best, judge(answer, truth));
    }
    if (best < 0) return wrong(fmt::format("sample {} has no right answer", i));
    sum += best;
  }
  return 100.0 * sum / static_cast<double>(samples);
}

// Outputs beside those of the reference: the one asked for, or all that are floats.
Result<std::vector<std::pair<Judged, Judged>>> pairs_of(const Arrays& outputs,
                                                        const Arrays& reference,
                                                        const MetricOptions& options) {
  std::vector<std::pair<Judged, Judged>> pairs;
  for (const auto& [name, array] : outputs) {
    const bool is_asked =
        options.output.empty() ? is_floating(array.dtype()) : name == options.output;
    if (!is_asked) continue;
    PENSTOCK_ASSIGN_OR_RETURN(Judged ours, judged(outputs, name));
    PENSTOCK_ASSIGN_OR_RETURN(Judged theirs, judged(reference, name));
    if (ours.shape != theirs.shape) {
      return wrong(fmt::format("output '{}' has shape {}, the reference's {}", name,
                               to_string(ours.shape), to_string(theirs.shape)));
    }
    pairs.emplace_back(std::move(ours), std::move(theirs));
  }
  if (!pairs.empty()) return pairs;
  if (!options.output.empty()) return judged(outputs, options.output).status();
  return wrong("the model has no output of floats to compare");
}

Result<double> cosine(const Arrays& outputs, const Arrays& reference,
                      const MetricOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto pairs, pairs_of(outputs, reference, options));
  double sum = 0;
  const int64_t samples = pairs[0].first.samples();
  for (int64_t i = 0; i < samples; ++i) {
    double product = 0;
    double ours_squared = 0;
    double theirs_squared = 0;
    for (const auto& [ours, theirs] : pairs) {
      for (int64_t j = 0; j < ours.width(); ++j) {
        const double a = ours.sample(i)[j];
        const double b = theirs.sample(i)[j];
        product += a * b;
        ours_squared += a * a;
        theirs_squared += b * b;
      }
    }
    if (ours_squared == 0 && theirs_squared == 0) {
      sum += 1;
    } else if (ours_squared > 0 && theirs_squared > 0) {
      sum += product / std::sqrt(ours_squared * theirs_squared);
    }
  }
  return sum / static_cast<double>(samples);
}

Result<double> max_error(const Arrays& outputs, const Arrays& reference,
                         const MetricOptions& options) {
  PENSTOCK_ASSIGN_OR_RETURN(const auto pairs, pairs_of(outputs, reference, options));
  double worst = 0;
  for (const auto& [ours, theirs] : pairs) {
    double most = 0;
    double difference = 0;
    for (size_t i = 0; i < ours.values.size(); ++i) {
      if (std::isfinite(theirs.values[i])) most = std::max(most, std::fabs(theirs.values[i]));
      if (ours.values[i] == theirs.values[i]) continue;
      difference = std::max(difference, std::fabs(ours.values[i] - theirs.values[i]));
    }
    if (difference > 0) worst = std::max(worst, difference / std::max(most, 1e-12));
  }
  return worst;
}

}  // namespace

std::vector<std::string> metric_names() {
  return {"top1", "top5", "auc", "f1", "exact_match", "cosine", "max_error"};
}

Result<Metric> find_metric(std::string_view name, const MetricOptions& options) {
  Metric metric;
  metric.name = name;
  if (name == "top1" || name == "top5") {
    metric.is_percentage = true;
    metric.figure = [options, most = name == "top1" ? 1 : 5](const Arrays& outputs,
                                                             const Arrays& data, const Arrays&) {
      return top(most, outputs, data, options);
    };
  } else if (name == "auc") {
    metric.figure = [options](const Arrays& outputs, const Arrays& data, const Arrays&) {
      return area_under_curve(outputs, data, options);
    };
  } else if (name == "f1" || name == "exact_match") {
    metric.is_percentage = true;
    const Judge judge = name == "f1" ? accuracy::f1 : accuracy::exact_match;
    metric.figure = [options, judge](const Arrays& outputs, const Arrays& data, const Arrays&) {
      return answers(judge, outputs, data, options);
    };
  } else if (name == "cosine" || name == "max_error") {
    metric.needs_reference = true;
    metric.higher_is_better = name == "cosine";
    const auto compare = metric.higher_is_better ? cosine : max_error;
    metric.figure = [options, compare](const Arrays& outputs, const Arrays&,
                                       const Arrays& reference) {
      return compare(outputs, reference, options);
    };
  } else {
    return wrong("no metric is named '" + std::string(name) + "'; " +
                 suggest(name, metric_names()));
  }
  return metric;
}

Result<AccuracyBudget> parse_accuracy_budget(std::string_view text) {
  const size_t at = text.find("<=");
  AccuracyBudget budget;
  if (at != std::string_view::npos && at > 0) {
    budget.metric = text.substr(0, at);
    while (!budget.metric.empty() && budget.metric.back() == ' ') budget.metric.pop_back();
    std::string_view number = text.substr(at + 2);
    while (!number.empty() && number.front() == ' ') number.remove_prefix(1);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), budget.loss);
    if (error == std::errc() && end == number.data() + number.size() && budget.loss >= 0 &&
        std::isfinite(budget.loss)) {
      return budget;
    }
  }
  return wrong("accuracy budget '" + std::string(text) +
               "'; give a metric and the most it may lose, such as top1<=0.3");
}

}  // namespace penstock
