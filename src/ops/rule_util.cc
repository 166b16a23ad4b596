// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/rule_util.h"

#include <algorithm>

#include "ops/reference_util.h"

namespace penstock::ops {

using ir::Dim;
using ir::SymbolicShape;

std::optional<std::vector<int64_t>> constants_of(const std::vector<Dim>& dims) {
  std::vector<int64_t> values;
  for (const Dim& d : dims) {
    if (!d.is_constant()) return std::nullopt;
    values.push_back(d.constant());
  }
  return values;
}

std::optional<std::vector<int64_t>> known_ints(const InferContext& c, std::string_view attribute,
                                               size_t i) {
  auto it = c.attributes().all().find(attribute);
  if (it != c.attributes().all().end()) {
    if (const auto* scalar = std::get_if<int64_t>(&it->second)) return std::vector{*scalar};
  }
  const auto dims = c.dims_parameter(attribute, i);
  return dims ? constants_of(*dims) : std::nullopt;
}

bool has_parameter(const InferContext& c, std::string_view attribute, size_t i) {
  return c.attributes().has(attribute) || c.has_input(i);
}

bool carries_contents(const SymbolicShape& shape) {
  if (shape.size() > 2) return false;
  const auto known = constants_of(shape);
  const auto is_negative = [](int64_t extent) { return extent < 0; };
  return known && std::none_of(known->begin(), known->end(), is_negative) &&
         element_count(*known) <= 4096;
}

std::optional<Dim> unify(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant() && !(a == b)) return std::nullopt;
  return b.is_constant() ? b : a;
}

SymbolicShape fresh_shape(InferContext& c, int64_t rank) {
  SymbolicShape shape;
  for (int64_t i = 0; i < rank; ++i) shape.push_back(c.fresh_symbol());
  return shape;
}

Status check_byte_operands(const InferContext& c) {
  for (size_t i = 0; i < 2; ++i) {
    if (c.dtype(i) != DataType::kInt8 && c.dtype(i) != DataType::kUInt8) {
      return c.error("takes int8 and uint8, not " + std::string(to_string(c.dtype(i))));
    }
    if (c.has_input(i + 2) && c.dtype(i + 2) != c.dtype(i)) {
      return c.error("zero point " + std::to_string(i) + " has another type than its tensor");
    }
  }
  return Status::ok();
}

Result<std::vector<int64_t>> normalize_axes(const std::vector<int64_t>& axes, int64_t rank) {
  std::vector<int64_t> result;
  for (int64_t axis : axes) {
    PENSTOCK_ASSIGN_OR_RETURN(const int64_t wrapped, InferContext::normalize_axis(axis, rank));
    if (std::find(result.begin(), result.end(), wrapped) != result.end()) {
      return Status(StatusCode::kInvalidModel, "axis " + std::to_string(axis) + " stands twice");
    }
    result.push_back(wrapped);
  }
  return result;
}

int64_t scalar_parameter(const backends::NodeFacts& node, const backends::KernelRun& run,
                         std::string_view attribute, size_t i, int64_t otherwise) {
  auto it = node.attributes.all().find(attribute);
  if (it != node.attributes.all().end()) {
    if (const auto* scalar = std::get_if<int64_t>(&it->second)) return *scalar;
  }
  const std::vector<int64_t> values = ints_parameter(node, run, attribute, i);
  return values.empty() ? otherwise : values.front();
}

}  // namespace penstock::ops
