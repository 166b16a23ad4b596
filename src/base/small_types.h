// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <penstock/types.h>

#include <cstdint>

namespace penstock {

// Conversions of the small types (is_small), whose elements are a byte each: their bits are the low
// ones of it, and those above are ignored when read and zero when written.

// Bits of an element: 8, 4 or 2.
int small_bits(DataType type);
bool is_small_float(DataType type);
// True for int4 and int2.
bool is_small_signed(DataType type);

// How float8e8m0, which has powers of two alone, rounds.
enum class PowerRounding : uint8_t { kUp, kDown, kNearest };

struct SmallRounding {
  // float8 beyond the largest number: that number, else infinity, or NaN where the type has none.
  bool saturate = true;
  PowerRounding power = PowerRounding::kUp;
};

// The nearest element, ties to even; its bits. Types without NaN and infinity (float4e2m1) give the
// largest number for infinity and -0 for NaN. float8e8m0 has no sign: it takes the magnitude, and
// what is smaller than its smallest number becomes that number, or NaN unless saturated.
uint8_t small_from_double(DataType float_type, double value, SmallRounding rounding = {});
// What the bits stand for, exactly.
float small_to_float(DataType float_type, uint8_t bits);

// Keeps the low bits, as conversions between integers do.
uint8_t small_from_int64(DataType integer_type, int64_t value);
int64_t small_to_int64(DataType integer_type, uint8_t bits);

// The number of an element of any small type.
double small_to_double(DataType type, uint8_t bits);

}  // namespace penstock
