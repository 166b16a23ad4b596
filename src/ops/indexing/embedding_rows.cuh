// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/cuda/launch_math.cuh"
#include "ops/indexing/embedding_cuda.h"

namespace penstock::ops {

// Where the elements of a unit come from and go to.
struct EmbeddingUnit {
  const void* from = nullptr;  // of its first element; null: zeros
  int64_t first = 0;           // element of `from`
  int32_t column = 0;
  DataType dtype = DataType::kFloat32;
  bool whole = false;
};

// Unit `unit` of row `row`, both inside, of elements of T. An index outside its table gives zeros.
template <typename T>
__device__ EmbeddingUnit find_unit(const CudaEmbeddingRows& rows, int64_t row, int unit) {
  int p = 0;
  while (p + 1 < rows.count && unit >= rows.pieces[p + 1].first_unit) ++p;
  const CudaEmbeddingPiece& piece = rows.pieces[p];
  const int step = piece.whole_units ? 16 / static_cast<int>(sizeof(T)) : 1;
  const int within = (unit - piece.first_unit) * step;
  EmbeddingUnit found;
  found.column = piece.first_column + within;
  found.dtype = piece.dtype;
  found.whole = piece.whole_units;
  found.from = piece.data;
  if (piece.indices == nullptr) {
    found.first = row * piece.width + within;
    return found;
  }
  const int lookup = within / piece.width;
  const int64_t at = row * piece.index_stride + piece.first_index + lookup;
  int64_t index = piece.wide_indices ? static_cast<const int64_t*>(piece.indices)[at]
                                     : static_cast<const int32_t*>(piece.indices)[at];
  if (piece.offsets != nullptr) index += piece.offsets[piece.one_offset ? 0 : lookup];
  if (index < 0) index += piece.extent;
  if (index < 0 || index >= piece.extent) found.from = nullptr;
  found.first = index * piece.width + (within - lookup * piece.width);
  return found;
}

// A unit's elements: all 16 bytes where it is whole, else its one element in front.
template <typename T>
struct alignas(16) EmbeddingValues {
  T at[16 / sizeof(T)];
};

template <typename T>
__device__ EmbeddingValues<T> read_unit(const EmbeddingUnit& unit) {
  EmbeddingValues<T> values{};
  if (unit.from == nullptr) return values;
  if (unit.whole) {
    return *reinterpret_cast<const EmbeddingValues<T>*>(static_cast<const T*>(unit.from) +
                                                        unit.first);
  }
  values.at[0] = backends::cuda::from_float<T>(
      backends::cuda::load_float(unit.from, unit.dtype, unit.first));
  return values;
}

}  // namespace penstock::ops
