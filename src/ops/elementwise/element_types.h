// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <string>
#include <type_traits>

#include "ops/reference_util.h"

namespace penstock::ops {

// The element types that an elementwise operator takes.
enum class Elements : uint8_t { kFloating, kInteger, kSigned, kNumber, kBool, kAny };

template <typename T>
constexpr bool kIsFloating = std::is_floating_point_v<Compute<T>>;

template <Elements kSet, typename T>
constexpr bool takes() {
  constexpr bool kIsBool = std::is_same_v<T, bool>;
  switch (kSet) {
    case Elements::kFloating: return kIsFloating<T>;
    case Elements::kInteger: return std::is_integral_v<T> && !kIsBool;
    case Elements::kSigned: return std::is_signed_v<Compute<T>>;
    case Elements::kNumber: return !kIsBool;
    case Elements::kBool: return kIsBool;
    case Elements::kAny: break;
  }
  return true;
}

inline std::string_view to_string(Elements set) {
  constexpr std::string_view kNames[] = {"floating", "integer", "signed",
                                         "numeric",  "bool",    "numeric or bool"};
  return kNames[static_cast<size_t>(set)];
}

// Calls fn(TypeTag<T>{}) with the C++ type of `dtype`, or says that the operator does not take it.
template <Elements kSet, typename Fn>
Status dispatch_elements(DataType dtype, Fn&& fn) {
  const auto status = dispatch(dtype, [&](auto tag) -> Status {
    using T = typename decltype(tag)::type;
    if constexpr (takes<kSet, T>()) {
      fn(tag);
      return Status::ok();
    } else {
      return {StatusCode::kUnsupported, ""};
    }
  });
  if (status.is_ok()) return status;
  return {StatusCode::kInvalidModel, "takes " + std::string(to_string(kSet)) + " elements, not " +
                                         std::string(penstock::to_string(dtype))};
}

template <Elements kSet>
Status check_elements(DataType dtype) {
  return dispatch_elements<kSet>(dtype, [](auto) {});
}

// Integer arithmetic wraps, as NumPy's does; uint64_t, because overflow of signed types is
// undefined in C++ and 8- and 16-bit ones would be promoted to signed int.
template <typename T>
constexpr bool kIsWrapping = std::is_integral_v<T>;

template <typename T>
T negate(T x) {
  if constexpr (kIsWrapping<T>) {
    return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(x));
  } else {
    return -x;
  }
}
template <typename T>
T add(T a, T b) {
  if constexpr (kIsWrapping<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  } else {
    return a + b;
  }
}
template <typename T>
T subtract(T a, T b) {
  if constexpr (kIsWrapping<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  } else {
    return a - b;
  }
}
template <typename T>
T multiply(T a, T b) {
  if constexpr (kIsWrapping<T>) {
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  } else {
    return a * b;
  }
}

// The smallest integer divided by -1 traps like a division by zero does.
template <typename T>
constexpr bool divides_by_minus_one([[maybe_unused]] T b) {
  if constexpr (std::is_signed_v<T>) return b == T(-1);
  return false;
}

// Integers: towards zero, and 0 where b is 0.
template <typename T>
T divide(T a, T b) {
  if constexpr (kIsWrapping<T>) {
    if (b == 0) return 0;
    if (divides_by_minus_one(b)) return negate(a);
    return static_cast<T>(a / b);
  } else {
    return a / b;
  }
}

}  // namespace penstock::ops
