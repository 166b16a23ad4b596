// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/infer.h"

namespace penstock::ops {
namespace {

constexpr int64_t kMostContents = 4096;

std::optional<Shape> constant_shape(const ir::SymbolicShape& shape) {
  if (!ir::is_constant(shape)) return std::nullopt;
  Shape result;
  for (const ir::Dim& extent : shape) result.push_back(extent.constant());
  return result;
}

}  // namespace

Result<ir::SymbolicShape> broadcast_shapes(const ir::SymbolicShape& a, const ir::SymbolicShape& b) {
  ir::SymbolicShape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const ir::Dim x = i < a.size() ? a[a.size() - 1 - i] : ir::Dim(1);
    const ir::Dim y = i < b.size() ? b[b.size() - 1 - i] : ir::Dim(1);
    if (x.is_constant() && y.is_constant() && x != y && x != 1 && y != 1) {
      return Status(StatusCode::kInvalidModel, "shapes " + ir::to_string(a) + " and " +
                                                   ir::to_string(b) + " do not broadcast");
    }
    result[result.size() - 1 - i] = ir::Dim::broadcast(x, y);
  }
  return result;
}

Result<ir::SymbolicShape> broadcast_inputs(const InferContext& context) {
  ir::SymbolicShape shape;
  for (size_t i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) continue;
    PENSTOCK_ASSIGN_OR_RETURN(shape, broadcast_shapes(shape, context.shape(i)));
  }
  return shape;
}

Status check_same_type(const InferContext& context, size_t a, size_t b) {
  if (context.dtype(a) == context.dtype(b)) return Status::ok();
  return context.error("inputs " + std::to_string(a) + " and " + std::to_string(b) + " are " +
                       std::string(to_string(context.dtype(a))) + " and " +
                       std::string(to_string(context.dtype(b))) + ", but must have one type");
}

bool holds_extents(DataType dtype) {
  return dtype == DataType::kInt64 || dtype == DataType::kInt32;
}

void propagate_contents(InferContext& context, const std::vector<size_t>& inputs,
                        const ElementRule& rule) {
  const std::optional<Shape> target = constant_shape(context.outputs()[0].shape);
  if (!target || element_count(*target) > kMostContents) return;
  std::vector<std::vector<int64_t>> strides;
  for (size_t i : inputs) {
    const std::optional<Shape> shape = constant_shape(context.shape(i));
    const std::vector<ir::Dim>* contents = context.contents(i);
    if (!shape || contents == nullptr || shape->size() > target->size()) return;
    if (element_count(*shape) != static_cast<int64_t>(contents->size())) return;
    strides.push_back(broadcast_strides(*shape, *target));
  }
  std::vector<ir::Dim> result;
  bool decided = true;
  std::vector<ir::Dim> elements(inputs.size());
  for_each_index(*target, [&](const std::vector<int64_t>& index) {
    if (!decided) return;
    for (size_t k = 0; k < inputs.size(); ++k) {
      elements[k] = (*context.contents(inputs[k]))[dot(index, strides[k])];
    }
    std::optional<ir::Dim> element = rule(elements);
    decided = element.has_value();
    if (decided) result.push_back(std::move(*element));
  });
  if (decided) context.set_contents(0, std::move(result));
}

}  // namespace penstock::ops
