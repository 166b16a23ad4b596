// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <string>

#include "import/attention.h"
#include "import/emitter.h"

namespace penstock::importer {

// A depthwise convolution over what came before and what is new, and its end for the next call.
Status import_causal_conv(NodeImporter& node) {
  ir::Value* x = node.input(0);
  ir::Value* weight = node.input(1);
  ir::Value* past = node.input(3);
  const bool fits = x->shape.size() == 3 && weight->shape.size() == 3 &&
                    (past == nullptr || past->shape.size() == 3);
  if (!fits) return node.invalid("its input, weight and past_state must have rank 3");
  const std::string activation = node.attributes().get_string("activation", "none");
  const bool is_silu = activation == "silu" || activation == "swish";
  if (!is_silu && activation != "none") return node.invalid("no activation '" + activation + "'");
  const ir::Dim channels = weight->shape[0];
  if (!channels.is_constant()) return node.unsupported("the number of channels must be fixed");

  Emitter emit(node);
  const ir::Dim state = weight->shape[2] - 1;
  ir::Value* padded = past != nullptr
                          ? emit("Concat", {past, x}, {{"axis", int64_t{2}}})
                          : emit("Pad", {x}, {{"pads", ir::SymbolicShape{0, 0, state, 0, 0, 0}}});
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Value* y = emit("Conv", {padded, weight, node.input(2)}, {{"group", channels.constant()}});
  if (is_silu) y = emit("Swish", {y});
  node.alias(0, y);
  const ir::Dim length = padded->shape[2];
  if (node.wants(1)) node.alias(1, emit.slice(padded, 2, length - state, length));
  return emit.status();
}

}  // namespace penstock::importer
