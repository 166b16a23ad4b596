// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "passes/host_values.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

constexpr int64_t kChannels = 4;  // the fewest that kernels of tensor cores read

bool is_16_bits(DataType type) { return type == DataType::kFloat16 || type == DataType::kBFloat16; }

// A convolution of images of two or three channels by more than single pixels.
bool is_first_layer(const ir::Node& node) {
  if (node.op != "Conv" || node.attributes.get_int("group", 1) != 1) return false;
  const ir::Value* x = node.inputs[0];
  const ir::Value* weights = node.inputs[1];
  if (!is_16_bits(x->dtype) || x->shape.size() != 4 || !weights->is_constant()) return false;
  const Shape& shape = weights->constant->shape;
  return (shape[1] == 2 || shape[1] == 3) && shape[2] * shape[3] > 1;
}

// Weights [outputs, channels, height, width] with zeros behind the channels.
ir::ConstantRef pad_weights(const ir::Constant& weights) {
  Shape shape = weights.shape;
  shape[1] = kChannels;
  ir::ConstantRef padded = ir::make_constant(weights.dtype, shape, nullptr);
  const size_t area = static_cast<size_t>(shape[2] * shape[3]) * size_of(weights.dtype);
  const size_t from = area * static_cast<size_t>(weights.shape[1]);
  auto* to = const_cast<std::byte*>(padded->data);
  for (int64_t k = 0; k < shape[0]; ++k) {
    std::memcpy(to + static_cast<size_t>(k) * area * kChannels,
                weights.data + static_cast<size_t>(k) * from, from);
  }
  return padded;
}

}  // namespace

// The first convolution of a network reads images of four channels, the last of them zeros: what
// writes them channels last, in the type that is computed in, pads them on the way. The libraries'
// kernels would pad images and weights at every run.
Status channel_padding(ir::Graph& graph) {
  Rewriter rewriter(graph);
  const auto host = host_values(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (&rewriter.region_of(node) != &graph.main || !is_first_layer(node)) return;
    if (host.count(node.outputs[0]) != 0) return;
    ir::Value* x = node.inputs[0];
    ir::Attributes attributes;
    attributes.set("channels", kChannels);
    attributes.set("to", static_cast<int64_t>(x->dtype));
    const ir::Node* cast = producer(x, "Cast");
    if (cast != nullptr && cast->inputs[0]->dtype == DataType::kFloat32) x = cast->inputs[0];
    ir::Value* padded = rewriter.emit(node, node, "PadChannels", {x}, std::move(attributes));
    if (padded == nullptr) return;
    ir::Value* weights = node.inputs[1];
    rewriter.set_input(node, 0, padded);
    rewriter.set_input(node, 1, graph.add_constant(weights->name, pad_weights(*weights->constant)));
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
