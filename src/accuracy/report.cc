// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/precision_search.h>

#include <cmath>
#include <set>

namespace penstock {
namespace {

constexpr std::string_view kStyle = R"(
body{font:15px/1.45 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{padding:.25rem .6rem;border-bottom:1px solid #d8dee4;text-align:left}
th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}tr.chosen{background:#e6f2ea}tr.over td{color:#8a939c}
code{font-size:.85em;overflow-wrap:anywhere}.note{color:#57606a}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:1rem}
figure{margin:0}figcaption{font-size:.8rem;overflow-wrap:anywhere}svg{width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:#57606a}
)";

// Text of models goes into HTML: names may hold anything.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '&': result += "&amp;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string number(double value) { return fmt::format("{:.4g}", value); }

// Maps [low, high] to pixels.
struct Axis {
  double low;
  double high;
  double begin;
  double end;
  double operator()(double value) const {
    return high > low ? begin + (value - low) / (high - low) * (end - begin) : (begin + end) / 2;
  }
};

Axis axis_of(std::vector<double> values, double begin, double end) {
  double low = values[0];
  double high = values[0];
  for (const double value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const double margin = std::max((high - low) * 0.08, 1e-9);
  return {low - margin, high + margin, begin, end};
}

// No other trial is both faster and as accurate.
bool is_on_frontier(const std::vector<PrecisionTrial>& trials, size_t i) {
  for (const PrecisionTrial& other : trials) {
    const bool is_better = (other.speed > trials[i].speed && other.loss <= trials[i].loss) ||
                           (other.speed >= trials[i].speed && other.loss < trials[i].loss);
    if (is_better) return false;
  }
  return true;
}

std::string frontier(const SearchResult& result) {
  constexpr double kWidth = 640;
  constexpr double kHeight = 300;
  std::vector<double> speeds;
  std::vector<double> losses = {0, result.budget};
  for (const PrecisionTrial& trial : result.trials) {
    speeds.push_back(trial.speed);
    losses.push_back(trial.loss);
  }
  const Axis x = axis_of(speeds, 60, kWidth - 20);
  const Axis y = axis_of(losses, 15, kHeight - 40);
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"speed against "
      "loss\">\n",
      kWidth, kHeight);
  svg += fmt::format(
      "<line x1=\"60\" x2=\"{0}\" y1=\"{1:.1f}\" y2=\"{1:.1f}\" stroke=\"#b3261e\" "
      "stroke-dasharray=\"5 4\"/><text x=\"64\" y=\"{2:.1f}\">budget {3}</text>\n",
      kWidth - 20, y(result.budget), y(result.budget) - 4, number(result.budget));
  std::vector<size_t> front;
  for (size_t i = 0; i < result.trials.size(); ++i) {
    if (is_on_frontier(result.trials, i)) front.push_back(i);
  }
  std::sort(front.begin(), front.end(),
            [&](size_t a, size_t b) { return result.trials[a].speed < result.trials[b].speed; });
  std::string points;
  for (const size_t i : front) {
    points += fmt::format("{:.1f},{:.1f} ", x(result.trials[i].speed), y(result.trials[i].loss));
  }
  svg += "<polyline points=\"" + points + "\" fill=\"none\" stroke=\"#2f6f4f\"/>\n";
  for (size_t i = 0; i < result.trials.size(); ++i) {
    const PrecisionTrial& trial = result.trials[i];
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"><title>{}: {} times "
        "as fast, lost {}</title></circle>\n",
        x(trial.speed), y(trial.loss), i == result.chosen ? 7 : 4,
        trial.is_within ? "#2f6f4f" : "#b0b8c0", escaped(trial.what), number(trial.speed),
        number(trial.loss));
  }
  svg += fmt::format(
      "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">times as fast as float32: {} to {}"
      "</text><text x=\"4\" y=\"20\">lost</text><text x=\"4\" y=\"{:.1f}\">{}</text>"
      "<text x=\"4\" y=\"{:.1f}\">{}</text></svg>\n",
      kWidth - 20, kHeight - 8, number(x.low), number(x.high), y.begin + 20, number(y.low), y.end,
      number(y.high));
  return svg;
}

std::string trials_table(const SearchResult& result) {
  std::string html =
      "<table><tr><th>tried</th><th class=n>layers in float</th><th class=n>ms</th><th "
      "class=n>speed</th><th class=n>figure</th><th class=n>lost</th><th></th></tr>\n";
  for (size_t i = 0; i < result.trials.size(); ++i) {
    const PrecisionTrial& trial = result.trials[i];
    const std::string lifted = i == 0 ? "all" : std::to_string(trial.lifted.size());
    html += fmt::format(
        "<tr class=\"{}\"><td>{}</td><td class=n>{}</td><td class=n>{}</td><td "
        "class=n>{:.2f}</td><td class=n>{:.5g}</td><td class=n>{}</td><td>{}</td>"
        "</tr>\n",
        i == result.chosen ? "chosen" : (trial.is_within ? "" : "over"), escaped(trial.what),
        lifted, number(trial.milliseconds), trial.speed, trial.figure, number(trial.loss),
        i == result.chosen ? "chosen" : (trial.is_within ? "" : "over budget"));
  }
  return html + "</table>\n";
}

std::string layers_table(const SearchResult& result) {
  if (result.sensitivity.layers.empty()) return "";
  const std::vector<std::string>& kept = result.trials[result.chosen].lifted;
  const std::set<std::string> is_kept(kept.begin(), kept.end());
  std::string html = fmt::format(
      "<h2>Layers</h2>\n<p class=note>Signal to noise, in decibels, against float32 on {} samples; "
      "of "
      "the model's outputs with all layers in INT8: {:.1f}. Those first whose lifting gains "
      "most.</p>\n<table><tr><th>layer</th><th>operator</th><th class=n>its result, all in "
      "INT8</th><th class=n>outputs, this layer lifted</th><th></th></tr>\n",
      result.sensitivity.samples, result.sensitivity.snr);
  for (const LayerSensitivity& layer : result.sensitivity.layers) {
    const bool is_high = result.is_float || is_kept.count(layer.layer) != 0;
    std::string why;
    if (result.is_float) {
      why = "in float, as all";
    } else if (is_high) {
      why = layer.is_lifted ? fmt::format("in float: gains {:.1f} dB",
                                          layer.lifted_snr - result.sensitivity.snr)
                            : "in float: faster there";
    }
    html += fmt::format(
        "<tr class=\"{}\"><td><code>{}</code></td><td>{}</td><td class=n>{:.1f}</td>"
        "<td class=n>{}</td><td>{}</td></tr>\n",
        is_high && !result.is_float ? "chosen" : "", escaped(layer.layer), escaped(layer.op),
        layer.output_snr, layer.is_lifted ? fmt::format("{:.1f}", layer.lifted_snr) : "", why);
  }
  return html + "</table>\n";
}

std::string histogram(const ValueHistogram& value) {
  constexpr double kWidth = 240;
  constexpr double kHeight = 90;
  double most = 1;
  for (const int64_t count : value.counts) most = std::max(most, static_cast<double>(count));
  const double bar = kWidth / static_cast<double>(value.counts.size());
  std::string svg = fmt::format("<figure><svg viewBox=\"0 0 {} {}\">", kWidth, kHeight + 14);
  for (size_t i = 0; i < value.counts.size(); ++i) {
    if (value.counts[i] == 0) continue;
    // Logarithmic: what is clipped is rare.
    const double share = std::log1p(static_cast<double>(value.counts[i])) / std::log1p(most);
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
        "fill=\"#7a9cc6\"/>",
        bar * static_cast<double>(i), kHeight * (1 - share), bar, kHeight * share);
  }
  const Axis x{value.low, value.high, 0, kWidth};
  for (const double at : {-value.threshold, value.threshold}) {
    if (at < value.low || at > value.high) continue;
    svg +=
        fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\" stroke=\"#b3261e\"/>",
                    x(at), kHeight);
  }
  svg += fmt::format(
      "<text x=\"0\" y=\"{0}\">{1}</text><text x=\"{2}\" y=\"{0}\" "
      "text-anchor=\"end\">{3}</text></svg>",
      kHeight + 12, number(value.low), kWidth, number(value.high));
  return svg + fmt::format(
                   "<figcaption><code>{}</code><br>clipped at {}: {:.3g} %</figcaption>"
                   "</figure>\n",
                   escaped(value.value), number(value.threshold), 100 * value.clipped);
}

std::string histograms(const SearchResult& result) {
  if (result.sensitivity.histograms.empty()) return "";
  std::string html =
      "<h2>What INT8 stores</h2>\n<p class=note>Elements of each value that a layer reads, in "
      "float32; "
      "counts are logarithmic, red lines are where it is clipped.</p>\n<div class=grid>\n";
  for (const ValueHistogram& value : result.sensitivity.histograms) html += histogram(value);
  return html + "</div>\n";
}

std::string summary(const SearchResult& result) {
  const PrecisionTrial& chosen = result.trials[result.chosen];
  if (result.is_float) {
    return fmt::format(
        "No mix with INT8 within the budget was faster than float32: the plan is in "
        "float32. {} trials, {:.0f} s.",
        result.trials.size(), result.seconds);
  }
  return fmt::format(
      "{} of {} layers compute in INT8: {:.2f} times as fast as float32, {} where float32 has {}, "
      "lost {} of a budget of {}. {} trials, {:.0f} s.",
      static_cast<size_t>(result.layers) - chosen.lifted.size(), result.layers, chosen.speed,
      number(result.accuracy.figure), number(result.accuracy.reference),
      number(result.accuracy.loss), number(result.budget), result.trials.size(), result.seconds);
}

}  // namespace

std::string to_html(const SearchResult& result, std::string_view model_name) {
  const std::string name = escaped(model_name);
  std::string html =
      "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
      "content=\"width=device-width\">\n<title>" +
      name + ": precisions</title>\n<style>" + std::string(kStyle) + "</style></head>\n<body>\n";
  html += "<h1>" + name + "</h1>\n<p>" + escaped(summary(result)) + "</p>\n";
  html += "<h2>Speed against " + escaped(result.metric) + "</h2>\n" + frontier(result);
  html += trials_table(result) + layers_table(result) + histograms(result);
  return html + "</body></html>\n";
}

}  // namespace penstock
