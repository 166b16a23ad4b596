// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <map>

#include "ops/custom/custom.h"
#include "ops/families.h"

namespace penstock::ops {
namespace {

using Registry = std::map<std::string_view, const OpDefinition*>;

Registry make_registry() {
  Registry registry;
  for (OpList (*family)() :
       {elementwise_ops, movement_ops, indexing_ops, reduction_ops, convolution_ops, matmul_ops,
        normalization_ops, recurrent_ops, vision_ops, control_ops, attention_ops, sequence_ops,
        text_ops, image_ops, quantization_ops, random_ops, ml_ops, signal_ops}) {
    for (const OpDefinition* op : family()) registry.emplace(op->name, op);
  }
  return registry;
}

const Registry& registry() {
  static const Registry kRegistry = make_registry();
  return kRegistry;
}

}  // namespace

const OpDefinition* find_op(std::string_view name) {
  if (is_custom_op_name(name)) return find_custom_op(name);
  auto it = registry().find(name);
  return it == registry().end() ? nullptr : it->second;
}

std::vector<const OpDefinition*> all_ops() {
  std::vector<const OpDefinition*> ops;
  for (const auto& [name, op] : registry()) ops.push_back(op);
  return ops;
}

}  // namespace penstock::ops
