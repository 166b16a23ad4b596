// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Embeddings of a row's categories and its dense features, side by side: one launch, where lookups,
// casts and a concatenation would be one each.
#include "ops/indexing/embedding_rows.cuh"

namespace penstock::ops {
namespace {

using namespace backends::cuda;

constexpr int kThreads = 256;

struct ConcatArguments {
  CudaEmbeddingRows rows;
  Divisor units;  // of a row, and the one behind its columns
  uint32_t items = 0;
  void* y = nullptr;
  int32_t stride = 0;
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    embedding_concat(const __grid_constant__ ConcatArguments a) {
  constexpr int kWhole = 16 / sizeof(T);
  uint32_t row = blockIdx.x * kThreads + threadIdx.x;
  if (row >= a.items) return;
  const auto at = static_cast<int>(a.units.split(row));
  T* line = static_cast<T*>(a.y) + static_cast<int64_t>(row) * a.stride;
  if (at == a.rows.units) {
    for (int column = a.rows.columns; column < a.stride; ++column) line[column] = T{};
    return;
  }
  const EmbeddingUnit unit = find_unit<T>(a.rows, row, at);
  const EmbeddingValues<T> values = read_unit<T>(unit);
  T* to = line + unit.column;
  if (!unit.whole) {
    *to = values.at[0];
  } else if (reinterpret_cast<uintptr_t>(to) % 16 == 0) {
    *reinterpret_cast<EmbeddingValues<T>*>(to) = values;
  } else {
#pragma unroll
    for (int i = 0; i < kWhole; ++i) to[i] = values.at[i];
  }
}

}  // namespace

void launch_embedding_concat(const CudaEmbeddingRows& rows, DataType dtype, void* y, int64_t stride,
                             cudaStream_t stream) {
  ConcatArguments a;
  a.rows = rows;
  const int64_t units = rows.units + (stride > rows.columns ? 1 : 0);
  a.units = Divisor(units);
  a.items = static_cast<uint32_t>(rows.rows * units);
  a.y = y;
  a.stride = static_cast<int32_t>(stride);
  if (a.items == 0) return;
  const unsigned blocks = (a.items + kThreads - 1) / kThreads;
  dispatch_float(dtype, [&](auto tag) {
    embedding_concat<typename decltype(tag)::type><<<blocks, kThreads, 0, stream>>>(a);
  });
}

}  // namespace penstock::ops
