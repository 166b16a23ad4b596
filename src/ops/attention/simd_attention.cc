// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "ops/attention/simd_attention.h"

#include <cmath>

#include "backends/cpu/cpu_stream.h"
#include "backends/cpu/simd/attention.h"
#include "ops/attention/attention.h"
#include "ops/parallel_slots.h"

namespace penstock::ops {
namespace {

using backends::Kernel;
using backends::KernelRun;
using backends::NodeFacts;
using backends::Offer;
using backends::TensorView;

enum class MaskKind : uint8_t { kNone, kAdd, kKeep };

class AttentionKernel : public Kernel {
 public:
  AttentionKernel(const AttentionShape& shape, MaskKind mask, int threads)
      : shape_(shape), mask_(mask), threads_(threads) {
    rows_ =
        simd::attention_rows_per_call(kernel_, shape.batch * shape.heads, shape.queries, threads);
    blocks_ = (shape.queries + rows_ - 1) / rows_;
    workspace_floats_ = simd::attention_workspace_floats(kernel_, arguments());
    // A cache line between the threads.
    workspace_floats_ = (workspace_floats_ + 15) / 16 * 16;
  }

  size_t workspace_bytes() const override {
    return sizeof(float) * workspace_floats_ * static_cast<size_t>(threads_);
  }

  Status run(KernelRun& run) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const TensorView y, run.output(0, shape_.out_shape));
    simd::AttentionArgs all = arguments();
    all.q = run.input(0).as<const float>();
    all.k = run.input(1).as<const float>();
    all.v = run.input(2).as<const float>();
    all.out = y.as<float>();
    if (mask_ == MaskKind::kAdd) all.masks[0].data = run.input(3).as<const float>();
    if (mask_ == MaskKind::kKeep) all.keep = run.input(3).as<const uint8_t>();
    float* workspace = static_cast<float*>(run.workspace());
    const int64_t tasks = shape_.batch * shape_.heads * blocks_;
    parallel_slots(backends::team_of(run.stream()), threads_, tasks, 1,
                   [&](int64_t begin, int64_t end, int64_t slot) {
                     float* mine = workspace + slot * static_cast<int64_t>(workspace_floats_);
                     for (int64_t task = begin; task < end; ++task) block(all, task, mine);
                   });
    return Status::ok();
  }

 private:
  // All but the pointers.
  simd::AttentionArgs arguments() const {
    simd::AttentionArgs args;
    args.keys = shape_.keys;
    args.depth = shape_.head_size;
    args.value_depth = shape_.value_size;
    args.q_stride = shape_.q.row_stride;
    args.k_stride = shape_.k.row_stride;
    args.v_stride = shape_.v.row_stride;
    args.out_stride = shape_.out.row_stride;
    args.scale = static_cast<float>(shape_.scale);
    args.masks[0].row_stride = shape_.mask[2];
    args.keep_stride = shape_.mask[2];
    args.causal = shape_.causal;
    args.causal_offset = shape_.keys - shape_.queries;
    return args;
  }

  // Rows of one head of one batch item.
  void block(simd::AttentionArgs args, int64_t task, float* workspace) const {
    const int64_t begin = task % blocks_ * rows_;
    const int64_t end = std::min(begin + rows_, shape_.queries);
    const int64_t h = task / blocks_ % shape_.heads;
    const int64_t b = task / blocks_ / shape_.heads;
    const int64_t mask = shape_.mask_at(b, h, 0, 0);
    args.q += shape_.q.at(b, h, 0);
    args.k += shape_.k.at(b, h, 0);
    args.v += shape_.v.at(b, h, 0);
    args.out += shape_.out.at(b, h, 0);
    if (mask_ == MaskKind::kAdd) args.masks[0].data += mask;
    if (mask_ == MaskKind::kKeep) args.keep += mask;
    kernel_.run(args, begin, end, workspace);
    if (!shape_.nan_to_zero) return;
    for (int64_t i = begin; i < end; ++i) {
      float* row = args.out + i * args.out_stride;
      if (std::isnan(row[0]) && is_hidden(args, i)) {
        std::fill(row, row + args.value_depth, 0.0f);
      }
    }
  }

  // True where query i sees no key.
  static bool is_hidden(const simd::AttentionArgs& args, int64_t i) {
    int64_t keys = args.keys;
    if (args.causal) keys = std::clamp<int64_t>(i + args.causal_offset + 1, 0, keys);
    for (int64_t j = 0; j < keys; ++j) {
      const bool kept = args.keep == nullptr || args.keep[i * args.keep_stride + j] != 0;
      const simd::ScoreMask& mask = args.masks[0];
      const bool finite = mask.data == nullptr || mask.data[i * mask.row_stride + j] != -INFINITY;
      if (kept && finite) return false;
    }
    return true;
  }

  const simd::AttentionKernel& kernel_ = simd::attention_kernel(simd::active());
  AttentionShape shape_;
  MaskKind mask_;
  int threads_;
  int64_t rows_;    // of one call
  int64_t blocks_;  // calls for one head
  size_t workspace_floats_;
};

Result<AttentionShape> shape_of(const NodeFacts& node) {
  return attention_shape(node.attributes, node.inputs[0].shape, node.inputs[1].shape,
                         node.inputs[2].shape, node.has_input(3) ? &node.inputs[3].shape : nullptr);
}

MaskKind mask_kind(const NodeFacts& node) {
  if (!node.has_input(3)) return MaskKind::kNone;
  return node.inputs[3].dtype == DataType::kBool ? MaskKind::kKeep : MaskKind::kAdd;
}

class AttentionTactic : public backends::Tactic {
 public:
  std::string_view name() const override { return "simd.attention"; }

  Offer offer(const NodeFacts& node) const override {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const bool is_mask = i == 3 && mask_kind(node) == MaskKind::kKeep;
      if (node.has_input(i) && node.inputs[i].dtype != DataType::kFloat32 && !is_mask) {
        return Offer::refuse("only float32");
      }
    }
    const Result<AttentionShape> shape = shape_of(node);
    if (!shape.is_ok()) return Offer::refuse(shape.status().message());
    if (node.has_input(3) && shape->mask[3] != 1 && shape->keys > 1) {
      return Offer::refuse("the mask repeats along the keys");
    }
    return Offer::plain(node);
  }

  Result<std::unique_ptr<Kernel>> bind(const NodeFacts& node) const override {
    PENSTOCK_ASSIGN_OR_RETURN(const AttentionShape shape, shape_of(node));
    return std::unique_ptr<Kernel>(
        std::make_unique<AttentionKernel>(shape, mask_kind(node), node.threads));
  }
};

}  // namespace

const backends::Tactic& simd_attention() {
  static const AttentionTactic kTactic;
  return kTactic;
}

TacticList attention_simd_tactics() { return {{"Attention", &simd_attention()}}; }

}  // namespace penstock::ops
