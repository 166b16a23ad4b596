// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "ir/dim.h"

namespace penstock::ir {

// What a sequence or an optional holds, as far as is known before a run.
struct ElementType {
  enum class Rank : uint8_t {
    kUnset,    // no tensor went in yet (SequenceEmpty): the first one tells
    kKnown,    // all tensors have that of `shape`
    kUnknown,  // tensors may differ in rank
  };

  DataType dtype = DataType::kUndefined;  // of the tensors
  bool is_sequence = false;               // of an optional: it holds a sequence of them
  Rank rank = Rank::kUnknown;
  SymbolicShape shape = {};  // -1 for extents that differ among the tensors

  bool operator==(const ElementType& other) const;
  // The shape of one of the tensors, where the rank is known: `fresh` gives the extents that vary.
  template <typename Fresh>
  std::optional<SymbolicShape> tensor_shape(Fresh&& fresh) const {
    if (rank != Rank::kKnown) return std::nullopt;
    SymbolicShape result = shape;
    for (Dim& extent : result) {
      if (extent.is_constant(-1)) extent = fresh();
    }
    return result;
  }
};

// The type that one tensor gives to what holds it. Extents that only the run tells vary.
ElementType element_of(DataType dtype, const SymbolicShape& shape);
// The type of what may hold tensors of both: extents and ranks that differ are not known. Both must
// have the same dtype and is_sequence.
ElementType join(const ElementType& a, const ElementType& b);

// "float32[2, -1]"; "float32[*]" where the rank is not known, "float32" where it is not set;
// "sequence<...>" around it for an optional sequence.
std::string to_string(const ElementType& element);

}  // namespace penstock::ir
