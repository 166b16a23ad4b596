// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ir/element_type.h"

#include "ir/graph.h"

namespace penstock::ir {

bool ElementType::operator==(const ElementType& other) const {
  return dtype == other.dtype && is_sequence == other.is_sequence && rank == other.rank &&
         shape == other.shape;
}

ElementType element_of(DataType dtype, const SymbolicShape& shape) {
  ElementType element{dtype, false, ElementType::Rank::kKnown, shape};
  for (Dim& extent : element.shape) {
    if (is_data_dependent(extent)) extent = Dim(-1);
  }
  return element;
}

ElementType join(const ElementType& a, const ElementType& b) {
  using Rank = ElementType::Rank;
  if (a.rank == Rank::kUnset) return b;
  if (b.rank == Rank::kUnset) return a;
  ElementType result = a;
  if (a.rank == Rank::kUnknown || b.rank == Rank::kUnknown || a.shape.size() != b.shape.size()) {
    result.rank = Rank::kUnknown;
    result.shape.clear();
    return result;
  }
  for (size_t i = 0; i < result.shape.size(); ++i) {
    if (!(a.shape[i] == b.shape[i])) result.shape[i] = Dim(-1);
  }
  return result;
}

std::string to_string(const ElementType& element) {
  std::string text(to_string(element.dtype));
  if (element.rank == ElementType::Rank::kKnown) text += to_string(element.shape);
  if (element.rank == ElementType::Rank::kUnknown) text += "[*]";
  return element.is_sequence ? "sequence<" + text + ">" : text;
}

}  // namespace penstock::ir
