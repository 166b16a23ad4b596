// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "ops/reference_util.h"
#include "ops/rule_util.h"
#include "ops/sequence/sequence.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;
using ir::Dim;
using ir::ElementType;

// The extent that all pieces have, or -1.
Dim piece_extent(const InferContext& context, const Dim& whole) {
  if (!context.has_input(1)) return 1;
  const std::optional<std::vector<int64_t>> sizes = known_ints(context, "", 1);
  if (!sizes || sizes->empty()) return -1;
  if (context.rank(1) == 0) {
    const bool divides =
        (*sizes)[0] > 0 && whole.is_constant() && whole.constant() % (*sizes)[0] == 0;
    return divides ? (*sizes)[0] : -1;
  }
  for (int64_t size : *sizes) {
    if (size != sizes->front()) return -1;
  }
  return sizes->front();
}

Status infer_split(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis,
      InferContext::normalize_axis(context.attributes().get_int("axis"), context.rank(0)));
  if (context.element(0) != nullptr) return context.error("takes a tensor, not a sequence");
  if (context.has_input(1) && context.rank(1) > 1) {
    return context.error("'split' has rank " + std::to_string(context.rank(1)) +
                         ", but must be a scalar or a list");
  }
  ElementType element = ir::element_of(context.dtype(0), context.shape(0));
  element.shape[axis] = piece_extent(context, context.shape(0)[axis]);
  if (!context.has_input(1) && context.attributes().get_int("keepdims", 1) == 0) {
    element.shape.erase(element.shape.begin() + axis);
  }
  context.set_handle(0, DataType::kSequence, std::move(element));
  return Status::ok();
}

Result<std::vector<int64_t>> piece_sizes(const KernelRun& run, int64_t whole) {
  if (!run.has_input(1)) return std::vector<int64_t>(static_cast<size_t>(whole), 1);
  std::vector<int64_t> given = read_int64s(run.input(1));
  int64_t sum = 0;
  bool valid = true;
  if (run.input(1).shape->empty() && given.size() == 1 && given[0] > 0) {
    std::vector<int64_t> sizes;
    for (int64_t at = 0; at < whole; at += sizes.back()) {
      sizes.push_back(std::min(given[0], whole - at));
    }
    return sizes;
  }
  for (int64_t size : given) {
    valid = valid && size >= 0 && !__builtin_add_overflow(sum, size, &sum);
  }
  if (valid && sum == whole && !run.input(1).shape->empty()) return given;
  return Status(
      StatusCode::kInvalidArgument,
      "the sizes " + to_string(given) + " do not add up to the extent " + std::to_string(whole));
}

Status run_split(const NodeFacts& node, KernelRun& run) {
  const TensorView& x = run.input(0);
  const Shape& shape = *x.shape;
  PENSTOCK_ASSIGN_OR_RETURN(const int64_t axis,
                            InferContext::normalize_axis(node.attributes.get_int("axis"),
                                                         static_cast<int64_t>(shape.size())));
  PENSTOCK_ASSIGN_OR_RETURN(const std::vector<int64_t> sizes, piece_sizes(run, shape[axis]));
  const bool squeezes = !run.has_input(1) && node.attributes.get_int("keepdims", 1) == 0;
  const int64_t outer = element_count(Shape(shape.begin(), shape.begin() + axis));
  const size_t inner =
      static_cast<size_t>(element_count(Shape(shape.begin() + axis + 1, shape.end()))) *
      size_of(x.dtype);
  PENSTOCK_RETURN_IF_ERROR(
      backends::hold_memory(run, x.count() * static_cast<int64_t>(size_of(x.dtype))));
  TensorList list;
  int64_t at = 0;
  for (int64_t size : sizes) {
    Shape piece = shape;
    piece[axis] = size;
    if (squeezes) piece.erase(piece.begin() + axis);
    Tensor part(x.dtype, std::move(piece));
    for (int64_t o = 0; o < outer && part.bytes() > 0; ++o) {
      std::memcpy(static_cast<std::byte*>(part.data()) + o * size * inner,
                  x.as<const std::byte>() + (o * shape[axis] + at) * inner, size * inner);
    }
    if (!is_plain(x.dtype)) {  // strings become its own too
      PENSTOCK_ASSIGN_OR_RETURN(part, to_tensor(run, view_of(part)));
    }
    list.push_back(std::move(part));
    at += size;
  }
  return give_list(run, 0, std::move(list));
}

Status infer_concat(InferContext& context) {
  PENSTOCK_ASSIGN_OR_RETURN(const ElementType element, sequence_element(context, 0));
  PENSTOCK_ASSIGN_OR_RETURN(ir::SymbolicShape shape, tensor_shape(context, element));
  const bool stacks = context.attributes().get_int("new_axis") != 0;
  const auto rank = static_cast<int64_t>(shape.size()) + (stacks ? 1 : 0);
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis, InferContext::normalize_axis(context.attributes().get_int("axis"), rank));
  if (stacks) {
    shape.insert(shape.begin() + axis, context.fresh_symbol());
  } else {
    shape[axis] = context.fresh_symbol();
  }
  context.set_output(0, element.dtype, std::move(shape));
  return Status::ok();
}

Status run_concat(const NodeFacts& node, KernelRun& run) {
  const TensorList& list = list_of(run.input(0));
  if (list.empty()) {
    return {StatusCode::kInvalidArgument, "an empty sequence has nothing to concatenate"};
  }
  const bool stacks = node.attributes.get_int("new_axis") != 0;
  Shape shape = list.front().shape();
  PENSTOCK_ASSIGN_OR_RETURN(
      const int64_t axis,
      InferContext::normalize_axis(node.attributes.get_int("axis"),
                                   static_cast<int64_t>(shape.size()) + (stacks ? 1 : 0)));
  if (stacks) shape.insert(shape.begin() + axis, 1);
  const auto extent_of = [&](const Tensor& tensor) { return stacks ? 1 : tensor.shape()[axis]; };
  int64_t extent = 0;
  for (const Tensor& tensor : list) {
    Shape seen = tensor.shape();
    if (stacks) seen.insert(seen.begin() + std::min<int64_t>(axis, seen.size()), 1);
    bool fits = seen.size() == shape.size() && tensor.dtype() == list.front().dtype();
    for (size_t i = 0; fits && i < seen.size(); ++i) {
      fits = static_cast<int64_t>(i) == axis || seen[i] == shape[i];
    }
    if (!fits) {
      return {StatusCode::kInvalidArgument, "tensors of shapes " + to_string(list.front().shape()) +
                                                " and " + to_string(tensor.shape()) +
                                                " do not concatenate along axis " +
                                                std::to_string(axis)};
    }
    extent += extent_of(tensor);
  }
  shape[axis] = extent;
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape));
  if (y.dtype != list.front().dtype()) {
    return {StatusCode::kInvalidArgument, "the sequence holds another type than was planned"};
  }
  const int64_t outer = element_count(Shape(shape.begin(), shape.begin() + axis));
  const size_t inner =
      static_cast<size_t>(element_count(Shape(shape.begin() + axis + 1, shape.end()))) *
      size_of(y.dtype);
  size_t at = 0;
  for (const Tensor& tensor : list) {
    const size_t row = static_cast<size_t>(extent_of(tensor)) * inner;
    for (int64_t o = 0; o < outer && row > 0; ++o) {
      std::memcpy(y.as<std::byte>() + static_cast<size_t>(o * extent) * inner + at,
                  static_cast<const std::byte*>(tensor.data()) + static_cast<size_t>(o) * row, row);
    }
    at += row;
  }
  return Status::ok();
}

}  // namespace

const OpDefinition kSplitToSequence = {.name = "SplitToSequence",
                                       .min_inputs = 1,
                                       .max_inputs = 2,
                                       .infer = infer_split,
                                       .reference = run_split};
const OpDefinition kConcatFromSequence = {.name = "ConcatFromSequence",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .infer = infer_concat,
                                          .reference = run_concat,
                                          .takes_handles = true};

}  // namespace penstock::ops
