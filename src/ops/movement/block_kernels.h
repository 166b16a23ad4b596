// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/cpu/simd/rows.h"

// Inner loops of StridedCopy, for one thread and a block that fits the first cache.
namespace penstock::ops {

// memcpy of a size the compiler knows: rows are often one or two vectors long.
template <size_t Bytes>
void copy_rows_of(const std::byte* x, int64_t x_step, std::byte* y, int64_t y_step, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) std::memcpy(y + i * y_step, x + i * x_step, Bytes);
}

// Steps in bytes.
inline void copy_rows(const std::byte* x, int64_t x_step, std::byte* y, int64_t y_step,
                      int64_t rows, int64_t bytes) {
  switch (bytes) {
    case 1: return copy_rows_of<1>(x, x_step, y, y_step, rows);
    case 2: return copy_rows_of<2>(x, x_step, y, y_step, rows);
    case 4: return copy_rows_of<4>(x, x_step, y, y_step, rows);
    case 8: return copy_rows_of<8>(x, x_step, y, y_step, rows);
    case 12: return copy_rows_of<12>(x, x_step, y, y_step, rows);
    case 16: return copy_rows_of<16>(x, x_step, y, y_step, rows);
    case 32: return copy_rows_of<32>(x, x_step, y, y_step, rows);
    case 64: return copy_rows_of<64>(x, x_step, y, y_step, rows);
    default:
      for (int64_t i = 0; i < rows; ++i) {
        std::memcpy(y + i * y_step, x + i * x_step, static_cast<size_t>(bytes));
      }
  }
}

// Each row of y is one element of x, `count` times.
template <typename T>
void repeat(const std::byte* x, std::byte* y, int64_t rows, int64_t x_step, int64_t y_step,
            int64_t count) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t i = 0; i < rows; ++i) {
    T* to = reinterpret_cast<T*>(y + i * y_step);
    T line[kLine];
    std::fill_n(line, kLine, *reinterpret_cast<const T*>(x + i * x_step));
    int64_t j = 0;
    for (; j + kLine <= count; j += kLine) std::memcpy(to + j, line, sizeof(line));
    for (; j < count; ++j) to[j] = line[0];
  }
}

// y contiguous, x strided by elements.
template <typename T>
void pick(const std::byte* source, std::byte* target, int64_t rows, int64_t x_step, int64_t y_step,
          int64_t count, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) {
    const T* x = reinterpret_cast<const T*>(source + i * x_step);
    T* y = reinterpret_cast<T*>(target + i * y_step);
    for (int64_t j = 0; j < count; ++j) y[j] = x[j * stride];
  }
}

// Transposes below: y[j, i] = x[i, j] for x of [rows, columns].

// Few rows: their elements in turn, like colours of a pixel.
template <int64_t Rows, typename T>
void interleave(const T* x, int64_t x_ld, T* y, int64_t y_ld, int64_t columns) {
  for (int64_t j = 0; j < columns; ++j) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < Rows; ++i) y[j * y_ld + i] = x[i * x_ld + j];
  }
}

template <int64_t Columns, typename T>
void deinterleave(const T* x, int64_t x_ld, T* y, int64_t y_ld, int64_t rows) {
  for (int64_t i = 0; i < rows; ++i) {
#pragma GCC unroll 4
    for (int64_t j = 0; j < Columns; ++j) y[j * y_ld + i] = x[i * x_ld + j];
  }
}

template <typename T>
void transpose_scalar(const T* x, int64_t x_ld, T* y, int64_t y_ld, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = 8;
  for (int64_t i = 0; i < rows; i += kBlock) {
    const int64_t end = std::min(rows, i + kBlock);
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t k = i; k < end; ++k) y[j * y_ld + k] = x[k * x_ld + j];
    }
  }
}

// A square of small elements in 64-bit words, one word a row: each stage swaps the off-diagonal
// blocks of twice the previous size (H. S. Warren, "Hacker's Delight", 7-3).
template <typename T>
void transpose_words(const T* x, int64_t x_ld, T* y, int64_t y_ld) {
  constexpr int kSide = 8 / sizeof(T);
  uint64_t words[kSide];
#pragma GCC unroll 8
  for (int i = 0; i < kSide; ++i) std::memcpy(&words[i], x + i * x_ld, 8);
#pragma GCC unroll 3
  for (int step = 1; step < kSide; step *= 2) {
    const int bits = step * static_cast<int>(sizeof(T)) * 8;
    // The low `bits` bits of every pair of blocks of that width.
    const uint64_t low = ~uint64_t{0} / ((uint64_t{1} << bits) + 1);
#pragma GCC unroll 8
    for (int i = 0; i < kSide; ++i) {
      if ((i & step) != 0) continue;
      const uint64_t swapped = ((words[i] >> bits) ^ words[i + step]) & low;
      words[i] ^= swapped << bits;
      words[i + step] ^= swapped;
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kSide; ++j) std::memcpy(y + j * y_ld, &words[j], 8);
}

template <typename T>
void transpose_wide(const T* x, int64_t x_ld, T* y, int64_t y_ld, int64_t rows, int64_t columns) {
  if constexpr (sizeof(T) == 4) {
    simd::row_kernels().transpose_32(x, x_ld, y, y_ld, rows, columns);
  } else if constexpr (sizeof(T) < 4) {
    constexpr int64_t kSide = 8 / sizeof(T);
    const int64_t whole_rows = rows / kSide * kSide;
    const int64_t whole_columns = columns / kSide * kSide;
    for (int64_t j = 0; j < whole_columns; j += kSide) {
      for (int64_t i = 0; i < whole_rows; i += kSide) {
        transpose_words(x + i * x_ld + j, x_ld, y + j * y_ld + i, y_ld);
      }
    }
    transpose_scalar(x + whole_columns, x_ld, y + whole_columns * y_ld, y_ld, whole_rows,
                     columns - whole_columns);
    transpose_scalar(x + whole_rows * x_ld, x_ld, y + whole_rows, y_ld, rows - whole_rows, columns);
  } else {
    transpose_scalar(x, x_ld, y, y_ld, rows, columns);
  }
}

template <typename T>
void transpose(const T* x, int64_t x_ld, T* y, int64_t y_ld, int64_t rows, int64_t columns) {
  switch (rows) {
    case 2: return interleave<2>(x, x_ld, y, y_ld, columns);
    case 3: return interleave<3>(x, x_ld, y, y_ld, columns);
    case 4: return interleave<4>(x, x_ld, y, y_ld, columns);
    default: break;
  }
  switch (columns) {
    case 2: return deinterleave<2>(x, x_ld, y, y_ld, rows);
    case 3: return deinterleave<3>(x, x_ld, y, y_ld, rows);
    case 4: return deinterleave<4>(x, x_ld, y, y_ld, rows);
    default: return transpose_wide(x, x_ld, y, y_ld, rows, columns);
  }
}

}  // namespace penstock::ops
