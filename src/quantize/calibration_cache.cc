// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <penstock/calibration.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/names.h"
#include "base/new_file.h"

namespace penstock {
namespace {

constexpr std::string_view kFirstLine = "penstock calibration cache 1";
constexpr std::string_view kFirstLineOfAny = "penstock calibration cache ";
constexpr std::string_view kTensorRtPrefix = "TRT-";
constexpr float kSteps = 127.0f;  // of a threshold: TensorRT's integers are symmetric

constexpr struct {
  CalibrationMethod method;
  std::string_view name;
  std::string_view tensorrt;  // calibrator whose caches have such ranges
} kMethods[] = {
    {CalibrationMethod::kEntropy, "entropy", "EntropyCalibration2"},
    {CalibrationMethod::kMinMax, "minmax", "MinMaxCalibration"},
    {CalibrationMethod::kMovingAverage, "moving-average", "MinMaxCalibration"},
    {CalibrationMethod::kPercentile, "percentile", "LegacyCalibration"},
    {CalibrationMethod::kMeanSquaredError, "mse", "EntropyCalibration2"},
};

// Lines of a text, numbered from 1; "\r\n" ends them too.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    const size_t end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    line_ = line;
    ++number_;
    return true;
  }

  Status error(const std::string& why) const {
    constexpr size_t kQuoted = 80;
    return {StatusCode::kInvalidArgument,
            fmt::format("line {}, '{}': {}", number_, line_.substr(0, kQuoted), why)};
  }

 private:
  std::string_view rest_;
  std::string_view line_;
  int number_ = 0;
};

// Names are as they are, but for line ends and backslashes.
std::string escape(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\r') {
      result += "\\r";
    } else if (c == '\\') {
      result += "\\\\";
    } else {
      result += c;
    }
  }
  return result;
}

std::string unescape(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    const char c = text[++i];
    result += c == 'n' ? '\n' : c == 'r' ? '\r' : c;
  }
  return result;
}

bool take_float(std::string_view& text, float& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (text.empty() || text.front() != ' ') return false;
  text.remove_prefix(1);
  return true;
}

// The text after "key: ".
bool is_field(std::string_view line, std::string_view key, std::string_view& value) {
  if (line.substr(0, key.size()) != key || line.substr(key.size(), 2) != ": ") return false;
  value = line.substr(key.size() + 2);
  return true;
}

bool parse_count(std::string_view text, int64_t& count) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() && count >= 0;
}

Status parse_value_line(const Lines& lines, std::string_view line, CalibrationTable& table) {
  CalibratedRange range;
  if (!take_float(line, range.threshold) || !take_float(line, range.min) ||
      !take_float(line, range.max) || line.empty()) {
    return lines.error("expected 'threshold smallest largest name'");
  }
  if (range.threshold < 0 || range.min > range.max) {
    return lines.error("the threshold is negative, or the smallest above the largest");
  }
  if (!table.ranges.emplace(unescape(line), range).second) {
    return lines.error("this value stands here twice");
  }
  return Status::ok();
}

// "-2.1 2.6 images"
Status parse_input_line(const Lines& lines, std::string_view text, CalibrationTable& table) {
  float min = 0;
  float max = 0;
  if (!take_float(text, min) || !take_float(text, max) || text.empty() || min > max) {
    return lines.error("expected 'smallest largest name' of an input");
  }
  table.inputs[unescape(text)] = {min, max, InputContract::Source::kCalibration, {}, {}};
  return Status::ok();
}

Result<CalibrationTable> parse_own(Lines& lines) {
  CalibrationTable table;
  std::string_view line;
  std::string_view value;
  int64_t count = -1;
  while (lines.next(line)) {
    if (line.empty() || line.front() == '#') continue;
    if (count >= 0) {
      PENSTOCK_RETURN_IF_ERROR(parse_value_line(lines, line, table));
    } else if (is_field(line, "model", value)) {
      table.model = unescape(value);
    } else if (is_field(line, "method", value)) {
      table.method = value;
    } else if (is_field(line, "batches", value)) {
      if (!parse_count(value, table.batches)) return lines.error("expected a number");
    } else if (is_field(line, "input", value)) {
      PENSTOCK_RETURN_IF_ERROR(parse_input_line(lines, value, table));
    } else if (is_field(line, "values", value)) {
      if (!parse_count(value, count)) return lines.error("expected a number");
    } else {
      return lines.error("expected 'model: ', 'method: ', 'batches: ', 'input: ' or 'values: '");
    }
  }
  if (count != static_cast<int64_t>(table.ranges.size())) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("it has {} values and announces {}: it was cut off",
                              table.ranges.size(), count < 0 ? 0 : count));
  }
  return table;
}

// "name: 3c010a14": the bits of the scale, a float32, in hexadecimal.
Result<CalibrationTable> parse_tensorrt(std::string_view first, Lines& lines) {
  CalibrationTable table;
  table.method = first;
  std::string_view line;
  while (lines.next(line)) {
    if (line.empty()) continue;
    const size_t colon = line.rfind(": ");
    if (colon == std::string_view::npos || colon == 0) return lines.error("expected 'name: scale'");
    const std::string_view digits = line.substr(colon + 2);
    uint32_t bits = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
    const auto scale = std::bit_cast<float>(bits);
    if (error != std::errc() || end != digits.data() + digits.size() || !std::isfinite(scale) ||
        scale < 0) {
      return lines.error("the scale is not the bits of a float32 of 0 or more in hexadecimal");
    }
    const float threshold = scale * kSteps;
    table.ranges[std::string(line.substr(0, colon))] = {-threshold, threshold, threshold};
  }
  return table;
}

}  // namespace

std::string_view to_string(CalibrationMethod method) {
  for (const auto& known : kMethods) {
    if (known.method == method) return known.name;
  }
  return "unknown";
}

Result<CalibrationMethod> parse_calibration_method(std::string_view name) {
  std::vector<std::string> names;
  for (const auto& known : kMethods) {
    if (known.name == name) return known.method;
    names.emplace_back(known.name);
  }
  return Status(StatusCode::kInvalidArgument, fmt::format("no calibration method is named '{}'; {}",
                                                          name, suggest(std::string(name), names)));
}

Result<CalibrationTable> CalibrationTable::parse(std::string_view text) {
  Lines lines(text);
  std::string_view first;
  lines.next(first);
  if (first == kFirstLine) return parse_own(lines);
  if (first.substr(0, kTensorRtPrefix.size()) == kTensorRtPrefix) {
    return parse_tensorrt(first, lines);
  }
  if (first.substr(0, kFirstLineOfAny.size()) == kFirstLineOfAny) {
    return lines.error("this version of the format is not known; a newer Penstock wrote it");
  }
  return Status(StatusCode::kInvalidArgument,
                "it begins neither with 'penstock calibration cache' nor with 'TRT-'");
}

Result<CalibrationTable> CalibrationTable::load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status(StatusCode::kNotFound, "cannot read calibration cache '" + path.string() + "'");
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Result<CalibrationTable> table = parse(text);
  if (table.is_ok()) return table;
  return table.status().with_context("calibration cache '" + path.string() + "'");
}

std::string CalibrationTable::to_text() const {
  std::string text = fmt::format("{}\nmodel: {}\nmethod: {}\nbatches: {}\n", kFirstLine,
                                 escape(model), escape(method), batches);
  for (const auto& [name, seen] : inputs) {
    text += fmt::format("input: {} {} {}\n", static_cast<float>(seen.min),
                        static_cast<float>(seen.max), escape(name));
  }
  text += fmt::format("values: {}\n", ranges.size());
  text += "# clipped at, smallest and largest element seen, name\n";
  for (const auto& [name, range] : ranges) {
    text += fmt::format("{} {} {} {}\n", range.threshold, range.min, range.max, escape(name));
  }
  return text;
}

std::string CalibrationTable::to_tensorrt_text() const {
  std::string_view calibrator = "EntropyCalibration2";
  for (const auto& known : kMethods) {
    if (known.name == method) calibrator = known.tensorrt;
  }
  std::string text = method.substr(0, kTensorRtPrefix.size()) == kTensorRtPrefix
                         ? method + "\n"
                         : fmt::format("TRT-8601-{}\n", calibrator);
  for (const auto& [name, range] : ranges) {
    text += fmt::format("{}: {:08x}\n", name, std::bit_cast<uint32_t>(range.threshold / kSteps));
  }
  return text;
}

Status CalibrationTable::save(const std::filesystem::path& path, bool for_tensorrt) const {
  const std::string text = for_tensorrt ? to_tensorrt_text() : to_text();
  NewFile file(path);
  file.write(text.data(), text.size());
  return file.commit();
}

}  // namespace penstock
