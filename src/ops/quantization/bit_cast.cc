// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/small_types.h"
#include "ops/quantization/quantization.h"

namespace penstock::ops {
namespace {

using backends::KernelRun;
using backends::NodeFacts;
using backends::TensorView;

int bits_of(DataType type) {
  return is_small(type) ? small_bits(type) : static_cast<int>(8 * size_of(type));
}

// The same bits under another type of their width.
Status infer_bit_cast(InferContext& context) {
  const DataType from = context.dtype(0);
  const auto to = static_cast<DataType>(context.attributes().get_int("to"));
  if (bits_of(to) == 0 || bits_of(from) != bits_of(to)) {
    return context.error("elements of type " + std::string(to_string(from)) + " have " +
                         std::to_string(bits_of(from)) + " bits, those of " +
                         std::string(to_string(to)) + " " + std::to_string(bits_of(to)));
  }
  context.set_output(0, to, context.shape(0));
  return Status::ok();
}

Status run_bit_cast(const NodeFacts&, KernelRun& run) {
  const TensorView& x = run.input(0);
  PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, *x.shape));
  const auto bytes = static_cast<size_t>(x.count()) * size_of(x.dtype);
  if (bytes != 0) std::memmove(y.data, x.data, bytes);
  if (y.dtype != DataType::kBool) return Status::ok();
  // Bytes other than 0 and 1 are no bools to the compiler.
  auto* bools = y.as<uint8_t>();
  for (size_t i = 0; i < bytes; ++i) bools[i] = bools[i] != 0 ? 1 : 0;
  return Status::ok();
}

}  // namespace

const OpDefinition kBitCast = {.name = "BitCast",
                               .min_inputs = 1,
                               .max_inputs = 1,
                               .infer = infer_bit_cast,
                               .reference = run_bit_cast};

}  // namespace penstock::ops
