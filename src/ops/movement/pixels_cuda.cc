// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// The way of an image into a network that computes channels last: other layout, and other type, in
// one pass.
#include "ops/movement/pixels_cuda.h"
#include "ops/cuda_tactic.h"
#include "ops/cuda_tactics.h"
#include "ops/forms.h"

namespace penstock::ops {
namespace {

using backends::NodeFacts;
using backends::Offer;
using ir::Layout;

Status check(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check_floats(node));
  const Shape& shape = node.inputs[0].shape;
  if (!is_device_float(node.inputs[0].dtype) || !is_device_float(node.outputs[0].dtype)) {
    return refuse("takes floats of 16 and 32 bits");
  }
  if (shape.size() != 4 || shape[1] < 1 || shape[1] > kMostPixelChannels || shape[0] > 65535) {
    return refuse("takes images of 1 to 4 channels");
  }
  return Status::ok();
}

Offer offer_cast(const NodeFacts& node) {
  if (const Status status = check(node); !status.is_ok()) return Offer::refuse(status.message());
  return {{form_with(node, Layout::kPlain, Layout::kChannelsLast)}, ""};
}

Offer offer_pad(const NodeFacts& node) {
  if (node.attributes.get_int("channels") != kMostPixelChannels) {
    return Offer::refuse("pads to 4 channels");
  }
  return offer_cast(node);
}

// The layouts are the node's to say.
Offer offer_reorder(const NodeFacts& node) {
  if (const Status status = check(node); !status.is_ok()) return Offer::refuse(status.message());
  if (node.inputs[0].layout != Layout::kPlain || node.outputs[0].layout != Layout::kChannelsLast) {
    return Offer::refuse("leads from planes to channels last");
  }
  return {{form_with(node, Layout::kPlain, Layout::kChannelsLast)}, ""};
}

Result<CudaLaunch> bind(const NodeFacts& node) {
  PENSTOCK_RETURN_IF_ERROR(check(node));
  const Shape& shape = node.inputs[0].shape;
  PixelArguments arguments;
  arguments.from = node.inputs[0].dtype;
  arguments.to = node.outputs[0].dtype;
  arguments.batch = shape[0];
  arguments.channels = shape[1];
  arguments.padded = node.outputs[0].shape[1];
  arguments.pixels = shape[2] * shape[3];
  return make_launch(arguments, node.outputs[0].shape, launch_pixels);
}

}  // namespace

TacticList pixel_cuda_tactics() {
  static const CudaTactic kCast("cuda.cast_pixels", offer_cast, bind);
  static const CudaTactic kReorder("cuda.reorder_pixels", offer_reorder, bind);
  static const CudaTactic kPad("cuda.pad_pixels", offer_pad, bind);
  return {{"Cast", &kCast}, {"Reorder", &kReorder}, {"PadChannels", &kPad}};
}

}  // namespace penstock::ops
