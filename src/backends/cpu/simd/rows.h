// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "backends/cpu/simd/isa.h"

namespace penstock::simd {

enum class ReduceOp : uint8_t { kSum, kMean, kSumSquares, kMax, kMin, kProd };

// Kernels over row-major float32 matrices, one thread each: a caller splits the rows (or columns)
// and passes the pointers of its share. Pointers need no alignment. Unless said otherwise rows are
// contiguous ([rows, cols] with leading dimension cols), rows and cols may be 0, and y may be x.
struct RowKernels {
  Isa isa;

  // y = softmax(scale * x + mask) over each row. mask may be null; row i adds
  // mask[i * mask_stride .. + cols), so that a stride of 0 adds one row to all. The row's maximum
  // is subtracted first. A row of -inf only gives NaN, as the formula does.
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t cols, float scale,
                  const float* mask, int64_t mask_stride);

  // y = x - max - log(sum(exp(x - max))) over each row.
  void (*log_softmax)(const float* x, float* y, int64_t rows, int64_t cols);

  // y = (x - mean) / sqrt(var + epsilon) * gamma + beta over each row (J. L. Ba et al., "Layer
  // Normalization", 2016). The variance is that of the centred row, in a second pass. gamma and
  // beta are [cols], either may be null.
  void (*layer_norm)(const float* x, const float* gamma, const float* beta, float epsilon, float* y,
                     int64_t rows, int64_t cols);

  // layer_norm(x + residual). sum, where not null, receives x + residual. y and sum may each be x
  // or residual, but y may not be sum.
  void (*add_layer_norm)(const float* x, const float* residual, const float* gamma,
                         const float* beta, float epsilon, float* sum, float* y, int64_t rows,
                         int64_t cols);

  // y = x / sqrt(mean(x^2) + epsilon) * gamma (B. Zhang, R. Sennrich, "Root Mean Square Layer
  // Normalization", 2019). gamma is [cols] and may be null.
  void (*rms_norm)(const float* x, const float* gamma, float epsilon, float* y, int64_t rows,
                   int64_t cols);

  // y[i] = op over x[i, 0..cols). y is [rows] and may not be x. No columns give the identity of
  // op (0, 0 / 0, 0, -inf, inf, 1). Max and min propagate NaN.
  void (*reduce_rows)(ReduceOp op, const float* x, float* y, int64_t rows, int64_t cols);

  // y[j] = op over x[0..rows, j], x with leading dimension ld >= cols: a caller splits the columns.
  void (*reduce_columns)(ReduceOp op, const float* x, int64_t ld, float* y, int64_t rows,
                         int64_t cols);

  // y[j, i] = x[i, j] for 32-bit elements of any type; y may not overlap x. x is [rows, cols] with
  // leading dimension x_ld, y is [cols, rows] with y_ld, in elements.
  void (*transpose_32)(const void* x, int64_t x_ld, void* y, int64_t y_ld, int64_t rows,
                       int64_t cols);

  // y row i = table row indices[i], rows of row_bytes bytes; the caller has checked the indices,
  // and negative ones have been wrapped.
  void (*gather_rows_i32)(const void* table, const int32_t* indices, void* y, int64_t count,
                          int64_t row_bytes);
  void (*gather_rows_i64)(const void* table, const int64_t* indices, void* y, int64_t count,
                          int64_t row_bytes);
};

// The kernels of one level; isa must not exceed detect().
const RowKernels& row_kernels(Isa isa = active());

// One table for each translation unit of kernels, for row_kernels.
const RowKernels& row_kernels_baseline();
const RowKernels& row_kernels_avx2();
const RowKernels& row_kernels_avx512();

}  // namespace penstock::simd
