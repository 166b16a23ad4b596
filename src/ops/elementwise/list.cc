// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise/elementwise.h"

namespace penstock::ops {

OpList elementwise_ops() {
  OpList ops = {&where_op(), &clip_op(), &cast_op(), &pointwise_op()};
  for (auto table : {unary_ops(), activation_ops(), arithmetic_ops(), logic_ops()}) {
    for (const OpDefinition& op : table) ops.push_back(&op);
  }
  return ops;
}

}  // namespace penstock::ops
