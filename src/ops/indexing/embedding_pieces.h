// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "ops/op_definition.h"

namespace penstock::ops {

constexpr size_t kMostEmbeddingPieces = 48;  // what fits into the arguments of a kernel of a GPU

// A block of columns of an EmbeddingConcat: rows of a dense operand, or of a table at indices. The
// numbers are those of the node's inputs.
struct EmbeddingPiece {
  enum class Kind : uint8_t { kDense, kLookup, kLookupWithOffsets };
  Kind kind = Kind::kDense;
  size_t data = 0;      // dense [n, width], or a table [extent, width]
  size_t indices = 0;   // of a lookup: [n] or [n, count]
  size_t offsets = 0;   // added to indices: one, or one for each of the `count`
  int64_t column = -1;  // the only column of the indices that is looked up; -1: all of them

  bool is_lookup() const { return kind != Kind::kDense; }
  bool has_offsets() const { return kind == Kind::kLookupWithOffsets; }
};

struct EmbeddingPieces {
  std::vector<EmbeddingPiece> list;
  size_t inputs = 0;  // that they take, from input 0 on
};

// Of attribute "pieces", two integers a piece: its kind (0, 1, 2) and its column. Their operands
// follow each other. An error where there are more than `inputs`.
Result<EmbeddingPieces> embedding_pieces(const ir::Attributes& attributes, size_t inputs);

// The lookups that a piece makes for a row, from the shape of its indices.
template <typename S>
auto lookups_of(const EmbeddingPiece& piece, const S& indices) {
  return piece.column >= 0 || indices.size() == 1 ? typename S::value_type(1) : indices[1];
}

// Checks types and shapes of all pieces; the answer is [rows, columns].
Result<ir::SymbolicShape> infer_embedding_rows(const InferContext& context,
                                               const EmbeddingPieces& pieces);

// For reference kernels: the rows as numbers, and [rows, columns] in `shape`.
Result<std::vector<double>> read_embedding_rows(const EmbeddingPieces& pieces,
                                                const backends::KernelRun& run, Shape& shape);

}  // namespace penstock::ops
