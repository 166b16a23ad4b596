// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/small_types.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace penstock {
namespace {

// A float of a sign, an exponent and a mantissa, all other numbers of which follow from these.
struct FloatFormat {
  int mantissa_bits;
  int bias;
  int largest;       // bits of the largest number
  int nan;           // bits of NaN; where there is none, of what stands for it
  int infinity;      // bits of infinity; -1: the type has none
  int sign;          // the sign bit
  bool signed_zero;  // false: the bits of -0 are the only NaN
  bool has_nan = true;
};

constexpr FloatFormat kE4M3Fn = {3, 7, 0x7e, 0x7f, -1, 0x80, true};
constexpr FloatFormat kE4M3FnUz = {3, 8, 0x7f, 0x80, -1, 0x80, false};
constexpr FloatFormat kE5M2 = {2, 15, 0x7b, 0x7e, 0x7c, 0x80, true};
constexpr FloatFormat kE5M2FnUz = {2, 16, 0x7f, 0x80, -1, 0x80, false};
constexpr FloatFormat kE2M1 = {1, 1, 0x7, 0x8, -1, 0x8, true, false};

const FloatFormat& format_of(DataType type) {
  switch (type) {
    case DataType::kFloat8E4M3FN: return kE4M3Fn;
    case DataType::kFloat8E4M3FNUZ: return kE4M3FnUz;
    case DataType::kFloat8E5M2: return kE5M2;
    case DataType::kFloat8E5M2FNUZ: return kE5M2FnUz;
    default: return kE2M1;
  }
}

uint8_t overflow_bits(const FloatFormat& format, bool saturate, int sign) {
  if (saturate || !format.has_nan) return static_cast<uint8_t>(format.largest | sign);
  if (format.infinity >= 0) return static_cast<uint8_t>(format.infinity | sign);
  return static_cast<uint8_t>(format.nan | sign);
}

uint8_t encode(const FloatFormat& format, double value, bool saturate) {
  const int sign = std::signbit(value) ? format.sign : 0;
  if (std::isnan(value)) {
    return static_cast<uint8_t>(format.has_nan ? format.nan | sign : format.nan);
  }
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return overflow_bits(format, saturate, sign);
  // Numbers below the smallest normal one share its exponent.
  const int exponent =
      magnitude == 0 ? 1 - format.bias : std::max(std::ilogb(magnitude), 1 - format.bias);
  // In units of the last place; may round up to the next power of two, which the sum carries.
  const double units = std::nearbyint(std::ldexp(magnitude, format.mantissa_bits - exponent));
  const int bits = ((exponent + format.bias - 1) << format.mantissa_bits) + static_cast<int>(units);
  if (bits > format.largest) return overflow_bits(format, saturate, sign);
  if (bits == 0 && !format.signed_zero) return 0;
  return static_cast<uint8_t>(bits | sign);
}

float decode(const FloatFormat& format, int bits) {
  const int magnitude = bits & (format.sign - 1);
  const float sign = (bits & format.sign) != 0 ? -1.0f : 1.0f;
  if (!format.signed_zero && bits == format.nan) return std::numeric_limits<float>::quiet_NaN();
  if (magnitude > format.largest) {
    if (magnitude == format.infinity) return sign * std::numeric_limits<float>::infinity();
    return std::numeric_limits<float>::quiet_NaN();
  }
  const int field = magnitude >> format.mantissa_bits;
  const int one = 1 << format.mantissa_bits;
  const int fraction = (magnitude & (one - 1)) + (field == 0 ? 0 : one);
  const int exponent = std::max(field, 1) - format.bias - format.mantissa_bits;
  return sign * std::ldexp(static_cast<float>(fraction), exponent);
}

constexpr int kPowerBias = 127;  // float8e8m0: bits b stand for 2^(b - 127)
constexpr uint8_t kPowerNan = 0xff;
constexpr int kMostPower = 0xfe;

uint8_t encode_power(double value, SmallRounding rounding) {
  const double magnitude = std::fabs(value);
  if (std::isnan(magnitude)) return kPowerNan;
  const uint8_t above = rounding.saturate ? kMostPower : kPowerNan;
  const uint8_t below = rounding.saturate ? 0 : kPowerNan;
  if (std::isinf(magnitude)) return above;
  if (magnitude < 0x1p-127) return below;
  int exponent = std::ilogb(magnitude);
  const double rest = std::ldexp(magnitude, -exponent);  // in [1, 2)
  const bool is_up = rounding.power == PowerRounding::kUp        ? rest > 1.0
                     : rounding.power == PowerRounding::kNearest ? rest >= 1.5
                                                                 : false;
  exponent += is_up ? 1 : 0;
  return exponent + kPowerBias > kMostPower ? above : static_cast<uint8_t>(exponent + kPowerBias);
}

}  // namespace

int small_bits(DataType type) {
  switch (type) {
    case DataType::kUInt4:
    case DataType::kInt4:
    case DataType::kFloat4E2M1: return 4;
    case DataType::kUInt2:
    case DataType::kInt2: return 2;
    default: return 8;
  }
}

bool is_small_signed(DataType type) { return type == DataType::kInt4 || type == DataType::kInt2; }

bool is_small_float(DataType type) {
  return is_small(type) && !is_small_signed(type) && type != DataType::kUInt4 &&
         type != DataType::kUInt2;
}

uint8_t small_from_double(DataType float_type, double value, SmallRounding rounding) {
  if (float_type == DataType::kFloat8E8M0) return encode_power(value, rounding);
  return encode(format_of(float_type), value, rounding.saturate);
}

float small_to_float(DataType float_type, uint8_t bits) {
  if (float_type != DataType::kFloat8E8M0) {
    const int mask = (1 << small_bits(float_type)) - 1;
    return decode(format_of(float_type), bits & mask);
  }
  return bits == kPowerNan ? std::numeric_limits<float>::quiet_NaN()
                           : std::ldexp(1.0f, bits - kPowerBias);
}

uint8_t small_from_int64(DataType integer_type, int64_t value) {
  const int mask = (1 << small_bits(integer_type)) - 1;
  return static_cast<uint8_t>(value & mask);
}

int64_t small_to_int64(DataType integer_type, uint8_t bits) {
  const int width = small_bits(integer_type);
  const int64_t value = bits & ((1 << width) - 1);
  const bool is_negative = is_small_signed(integer_type) && (value >> (width - 1)) != 0;
  return is_negative ? value - (int64_t{1} << width) : value;
}

double small_to_double(DataType type, uint8_t bits) {
  return is_small_float(type) ? static_cast<double>(small_to_float(type, bits))
                              : static_cast<double>(small_to_int64(type, bits));
}

}  // namespace penstock
