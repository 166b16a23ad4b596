// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include "base/small_types.h"
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/infer.h"

namespace penstock::ops {
namespace {

using ir::Dim;

// Smallest and largest integer of a type; bool and floats have none.
struct IntegerRange {
  int64_t low = 0;
  int64_t high = -1;
};

IntegerRange range_of(DataType dtype) {
  IntegerRange range;
  const Status status = dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      constexpr auto kHighest = static_cast<uint64_t>(std::numeric_limits<T>::max());
      constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
      range = {static_cast<int64_t>(std::numeric_limits<T>::min()),
               static_cast<int64_t>(std::min(kHighest, kMost))};
    }
    return Status::ok();
  });
  return status.is_ok() ? range : IntegerRange();
}

std::optional<Dim> cast_dim(const Dim& x, DataType to) {
  if (to == DataType::kBool) {
    if (x.is_constant()) return Dim(x.constant() != 0 ? 1 : 0);
    if (x.is_provably_positive() || (Dim(0) - x).is_provably_positive()) return Dim(1);
    return std::nullopt;
  }
  if (holds_extents(to)) return x;
  const IntegerRange range = range_of(to);
  if (x.is_constant() && x.constant() >= range.low && x.constant() <= range.high) return x;
  return std::nullopt;
}

constexpr std::string_view kRoundModes[] = {"up", "down", "nearest"};

Status infer_cast(InferContext& context) {
  const auto to = static_cast<DataType>(context.attributes().get_int("to"));
  const std::string round_mode = context.attributes().get_string("round_mode", "up");
  if (std::find(std::begin(kRoundModes), std::end(kRoundModes), round_mode) ==
      std::end(kRoundModes)) {
    return context.error("round_mode '" + round_mode + "' is none of up, down and nearest");
  }
  for (DataType type : {context.dtype(0), to}) {
    if (is_small(type)) continue;
    const Status known = check_elements<Elements::kAny>(type);
    if (!known.is_ok()) return known;
  }
  context.set_output(0, to, context.shape(0));
  if (!is_floating(to)) {
    propagate_contents(context, {0}, [=](const auto& x) { return cast_dim(x[0], to); });
  }
  return Status::ok();
}

// Floats beyond the integer's range have no right answer in ONNX; this one is the same everywhere.
template <typename To>
To float_to_integer(double x) {
  if constexpr (std::is_same_v<To, uint64_t>) {
    if (x >= 0x1p63 && x < 0x1p64) return static_cast<uint64_t>(x);
  }
  const bool fits = x >= -0x1p63 && x < 0x1p63;  // false for NaN
  return static_cast<To>(fits ? static_cast<int64_t>(x) : std::numeric_limits<int64_t>::min());
}

template <typename To, typename From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return float_to_integer<To>(static_cast<double>(x));
  } else if constexpr (std::is_same_v<Compute<To>, To>) {
    return static_cast<To>(x);
  } else {
    return To(static_cast<float>(x));
  }
}

SmallRounding rounding_of(const ir::Attributes& attributes) {
  const std::string mode = attributes.get_string("round_mode", "up");
  return {.saturate = attributes.get_int("saturate", 1) != 0,
          .power = mode == "down"      ? PowerRounding::kDown
                   : mode == "nearest" ? PowerRounding::kNearest
                                       : PowerRounding::kUp};
}

// One element of a small type from a number: integers as int64_t, all others as double.
template <typename From>
uint8_t to_small(DataType to, From x, SmallRounding rounding) {
  if (is_small_float(to)) return small_from_double(to, static_cast<double>(x), rounding);
  if constexpr (std::is_integral_v<From>) {
    return small_from_int64(to, static_cast<int64_t>(x));
  } else {
    return small_from_int64(to, float_to_integer<int64_t>(static_cast<double>(x)));
  }
}

Status cast_to_small(const backends::TensorView& x, const backends::TensorView& y,
                     SmallRounding rounding) {
  const int64_t n = x.count();
  return dispatch(x.dtype, [&](auto tag) {
    using From = typename decltype(tag)::type;
    const From* source = x.as<const From>();
    for (int64_t i = 0; i < n; ++i) {
      y.as<uint8_t>()[i] = to_small(y.dtype, static_cast<Compute<From>>(source[i]), rounding);
    }
    return Status::ok();
  });
}

// A byte has 256 values: all are converted once, then looked up.
template <typename To, typename Convert>
void look_up(const backends::TensorView& x, To* y, Convert&& convert_bits) {
  std::array<To, 256> table;
  for (int bits = 0; bits < 256; ++bits) {
    table[static_cast<size_t>(bits)] = convert_bits(static_cast<uint8_t>(bits));
  }
  const auto* source = x.as<const uint8_t>();
  const int64_t n = x.count();
  for (int64_t i = 0; i < n; ++i) y[i] = table[source[i]];
}

Status cast_from_small(const backends::TensorView& x, const backends::TensorView& y,
                       SmallRounding rounding) {
  const DataType from = x.dtype;
  if (is_small(y.dtype)) {
    look_up(x, y.as<uint8_t>(), [&](uint8_t bits) {
      return is_small_float(from) ? to_small(y.dtype, small_to_float(from, bits), rounding)
                                  : to_small(y.dtype, small_to_int64(from, bits), rounding);
    });
    return Status::ok();
  }
  return dispatch(y.dtype, [&](auto tag) {
    using To = typename decltype(tag)::type;
    look_up(x, y.as<To>(), [&](uint8_t bits) {
      return is_small_float(from) ? convert<To>(small_to_float(from, bits))
                                  : convert<To>(small_to_int64(from, bits));
    });
    return Status::ok();
  });
}

Status cast_reference(const backends::NodeFacts& node, backends::KernelRun& run) {
  const backends::TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const backends::TensorView y, run.output(0, *x.shape));
  const auto to = static_cast<DataType>(node.attributes.get_int("to"));
  if (is_small(x.dtype)) return cast_from_small(x, y, rounding_of(node.attributes));
  if (is_small(to)) return cast_to_small(x, y, rounding_of(node.attributes));
  const int64_t n = x.count();
  return dispatch(x.dtype, [&](auto from_tag) {
    using From = typename decltype(from_tag)::type;
    return dispatch(to, [&](auto to_tag) {
      using To = typename decltype(to_tag)::type;
      const From* source = x.as<const From>();
      To* target = y.as<To>();
      for (int64_t i = 0; i < n; ++i) {
        target[i] = convert<To>(static_cast<Compute<From>>(source[i]));
      }
      return Status::ok();
    });
  });
}

}  // namespace

const OpDefinition& cast_op() {
  static const OpDefinition kOp = {.name = "Cast",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .infer = infer_cast,
                                   .reference = cast_reference};
  return kOp;
}

}  // namespace penstock::ops
