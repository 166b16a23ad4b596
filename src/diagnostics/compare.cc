// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <penstock/context.h>
#include <penstock/diagnostics.h>

#include <cmath>

#include "diagnostics/layout_reader.h"

namespace penstock {
namespace {

using diagnostics::read_row_major;

// What a value was: row-major floats, or widened integers.
using Recording = std::map<std::string, std::vector<double>>;

Result<Recording> record(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                         std::vector<std::string>* order) {
  PENSTOCK_ASSIGN_OR_RETURN(ExecutionContext context, engine.create_context());
  Recording recording;
  context.set_step_observer([&](std::string_view value, DataType dtype, const Shape& shape,
                                std::string_view layout, const void* data) {
    // Reorders write the same value once more, as "name@layout".
    if (recording.count(std::string(value)) != 0) return;
    recording[std::string(value)] = read_row_major(dtype, shape, layout, data);
    if (order != nullptr) order->push_back(std::string(value));
  });
  PENSTOCK_ASSIGN_OR_RETURN(const auto outputs, context.run(inputs));
  return recording;
}

LayerError compare_value(const std::string& name, const std::vector<double>& tuned,
                         const std::vector<double>& reference) {
  LayerError result{name, 0, tuned.size() == reference.size()};
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; result.comparable && i < tuned.size(); ++i) {
    if (std::isnan(reference[i]) && std::isnan(tuned[i])) continue;
    if (reference[i] == tuned[i]) continue;
    difference = std::max(difference, std::abs(tuned[i] - reference[i]));
    if (std::isnan(tuned[i]) != std::isnan(reference[i])) difference = INFINITY;
  }
  for (double value : reference) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  result.error = difference == 0 ? 0 : difference / std::max(largest, 1e-12);
  return result;
}

}  // namespace

Result<std::vector<LayerError>> compare_layers(const Engine& tuned, const Engine& reference,
                                               const std::map<std::string, Tensor>& inputs) {
  std::vector<std::string> order;
  PENSTOCK_ASSIGN_OR_RETURN(const Recording tuned_values, record(tuned, inputs, &order));
  PENSTOCK_ASSIGN_OR_RETURN(const Recording reference_values, record(reference, inputs, nullptr));
  std::vector<LayerError> errors;
  for (const std::string& value : order) {
    const auto it = reference_values.find(value);
    if (it == reference_values.end()) continue;
    errors.push_back(compare_value(value, tuned_values.at(value), it->second));
  }
  return errors;
}

}  // namespace penstock
