// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "serve/request_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/names.h"

namespace penstock::serve {
namespace {

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

std::string suggestion(const std::string& name, const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
  return suggest(name, names);
}

Error unknown_input(const ModelInterface& model, const InferenceRequest& request) {
  for (const TensorView& given : request.inputs) {
    const bool is_known = std::any_of(model.inputs.begin(), model.inputs.end(),
                                      [&](const TensorInfo& i) { return i.name == given.name; });
    if (!is_known) {
      return wrong(fmt::format("unexpected inference input '{}' for model '{}'; {}", given.name,
                               model.name, suggestion(given.name, model.inputs)));
    }
  }
  return {};
}

// Swaps the input of this name to its place; duplicates stay behind and make the count wrong.
Error order_inputs(const ModelInterface& model, InferenceRequest& request) {
  PENSTOCK_RETURN_IF_REFUSED(unknown_input(model, request));
  auto& inputs = request.inputs;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    size_t at = i;
    while (at < inputs.size() && inputs[at].name != model.inputs[i].name) ++at;
    if (at >= inputs.size()) {
      return wrong(
          fmt::format("expected {} inputs but got {} inputs for model '{}': '{}' is missing",
                      model.inputs.size(), inputs.size(), model.name, model.inputs[i].name));
    }
    if (at != i) std::swap(inputs[at], inputs[i]);
  }
  if (inputs.size() > model.inputs.size()) {
    return wrong(fmt::format("input '{}' is there twice in a request for model '{}'",
                             inputs[model.inputs.size()].name, model.name));
  }
  return {};
}

Error check_input(const ModelInterface& model, const TensorInfo& expected,
                  const TensorView& given) {
  if (given.dtype != expected.dtype) {
    return wrong(fmt::format("inference input '{}' data-type is '{}', but model '{}' expects '{}'",
                             given.name, wire_name(given.dtype), model.name,
                             wire_name(expected.dtype)));
  }
  const Shape& shape = given.shape;
  bool fits = shape.size() == expected.shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = shape[i] >= 0 && (expected.shape[i] < 0 || shape[i] == expected.shape[i]);
  }
  if (!fits) {
    return wrong(fmt::format("unexpected shape for input '{}' for model '{}'. Expected {}, got {}",
                             given.name, model.name, to_string(expected.shape), to_string(shape)));
  }
  // The count saturates, and then is no size of anything.
  const auto count = static_cast<uint64_t>(element_count(shape));
  const size_t size = size_of(given.dtype);
  if (given.bytes / size != count || given.bytes % size != 0) {
    return wrong(fmt::format("input '{}' of shape {} takes {} elements, got {}", given.name,
                             to_string(shape), count, given.bytes / size));
  }
  return {};
}

Error check_batch(const ModelInterface& model, const InferenceRequest& request, int64_t& items) {
  items = 1;
  if (model.max_batch_size == 0 || request.inputs.empty()) return {};
  items = request.inputs[0].shape[0];
  for (const TensorView& input : request.inputs) {
    if (input.shape[0] == items) continue;
    return wrong(fmt::format("input '{}' has a batch of {}, input '{}' of model '{}' one of {}",
                             input.name, input.shape[0], request.inputs[0].name, model.name,
                             items));
  }
  if (items < 1 || items > model.max_batch_size) {
    return wrong(fmt::format("inference request batch-size must be from 1 to {} for '{}', got {}",
                             model.max_batch_size, model.name, items));
  }
  return {};
}

Error check_outputs(const ModelInterface& model, InferenceRequest& request) {
  if (request.outputs.empty()) {
    for (const TensorInfo& output : model.outputs) request.outputs.push_back({output.name, 0});
    return {};
  }
  for (size_t i = 0; i < request.outputs.size(); ++i) {
    const std::string& name = request.outputs[i].name;
    const auto is_it = [&](const auto& other) { return other.name == name; };
    if (std::none_of(model.outputs.begin(), model.outputs.end(), is_it)) {
      return wrong(fmt::format("unexpected inference output '{}' for model '{}'; {}", name,
                               model.name, suggestion(name, model.outputs)));
    }
    const auto before = request.outputs.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(request.outputs.begin(), before, is_it)) {
      return wrong(
          fmt::format("output '{}' is there twice in a request for model '{}'", name, model.name));
    }
  }
  return {};
}

}  // namespace

Error check_request(const ModelInterface& model, InferenceRequest& request, int64_t& items) {
  PENSTOCK_RETURN_IF_REFUSED(order_inputs(model, request));
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    PENSTOCK_RETURN_IF_REFUSED(check_input(model, model.inputs[i], request.inputs[i]));
  }
  PENSTOCK_RETURN_IF_REFUSED(check_batch(model, request, items));
  return check_outputs(model, request);
}

}  // namespace penstock::serve
