// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "import/attention.h"

#include <cmath>
#include <limits>
#include <string>

#include "import/attention_mask.h"
#include "import/emitter.h"
#include "import/rules.h"

namespace penstock::importer {

Result<int64_t> group_size(const NodeImporter& node, const ir::Dim& query_heads,
                           const ir::Dim& key_heads) {
  if (query_heads == key_heads) return 1;
  const bool are_known = query_heads.is_constant() && key_heads.is_constant();
  if (are_known && key_heads.constant() > 0 && query_heads.constant() % key_heads.constant() == 0) {
    return query_heads.constant() / key_heads.constant();
  }
  return node.unsupported(query_heads.to_string() + " heads of queries cannot share " +
                          key_heads.to_string() +
                          " heads of keys: the one must be a multiple of "
                          "the other, both fixed");
}

namespace {

// What the fourth output shows.
enum class Shown : int64_t { kProduct, kCapped, kMasked, kWeights };

class AttentionLowering {
 public:
  explicit AttentionLowering(NodeImporter& node) : node_(node), emit_(node) {}

  Status run() {
    PENSTOCK_RETURN_IF_ERROR(read_operands());
    PENSTOCK_RETURN_IF_ERROR(append_past());
    PENSTOCK_RETURN_IF_ERROR(check_shapes());
    AttentionMask mask(emit_, extents_);
    PENSTOCK_RETURN_IF_ERROR(collect_masks(mask));
    ir::Value* y = is_one_operator() ? one_operator(mask) : steps(mask);
    node_.alias(0, joined(y));
    return emit_.status();
  }

 private:
  const ir::Attributes& attributes() const { return node_.attributes(); }

  // [batch, sequence, heads * size] as [batch, heads, sequence, size].
  Result<ir::Value*> heads_apart(ir::Value* x, std::string_view count) {
    const int64_t heads = attributes().get_int(count);
    const ir::SymbolicShape shape = x->shape;
    const bool divides = heads > 0 && ir::Dim::mod(shape[2], heads).is_constant(0);
    if (!divides) {
      return node_.invalid(std::string(count) + " = " + std::to_string(heads) +
                           " does not divide the columns of " + ir::to_string(shape));
    }
    ir::Value* apart =
        emit_.reshape(x, {shape[0], shape[1], heads, ir::Dim::floor_div(shape[2], heads)});
    return emit_.transpose(apart, {0, 2, 1, 3});
  }

  Status read_operands() {
    const size_t rank = node_.input(0)->shape.size();
    for (size_t i = 0; i < 3; ++i) {
      const ir::Value* x = node_.input(i);
      if (!is_floating(x->dtype)) return node_.invalid("takes floating types only");
      if ((rank == 3 || rank == 4) && x->shape.size() == rank) continue;
      return node_.invalid("Q, K and V must have rank 3 or 4, all the same; input " +
                           std::to_string(i) + " has shape " + ir::to_string(x->shape));
    }
    q_ = node_.input(0);
    k_ = node_.input(1);
    v_ = node_.input(2);
    dtype_ = q_->dtype;
    if (k_->dtype != dtype_) return node_.invalid("Q and K must be of one type");
    is_packed_ = rank == 3;
    if (is_packed_) {
      PENSTOCK_ASSIGN_OR_RETURN(q_, heads_apart(q_, "q_num_heads"));
      PENSTOCK_ASSIGN_OR_RETURN(k_, heads_apart(k_, "kv_num_heads"));
      PENSTOCK_ASSIGN_OR_RETURN(v_, heads_apart(v_, "kv_num_heads"));
    }
    return emit_.status();
  }

  Status append_past() {
    ir::Value* past_key = node_.input(4);
    ir::Value* past_value = node_.input(5);
    if ((past_key == nullptr) != (past_value == nullptr)) {
      return node_.invalid("past_key and past_value go together");
    }
    if (past_key != nullptr) {
      if (node_.input(6) != nullptr) {
        return node_.invalid("nonpad_kv_seqlen and past_key exclude each other");
      }
      if (past_key->shape.size() != 4 || past_value->shape.size() != 4) {
        return node_.invalid("past_key and past_value must have rank 4");
      }
      extents_.past = past_key->shape[2];
      k_ = emit_("Concat", {past_key, k_}, {{"axis", int64_t{2}}});
      v_ = emit_("Concat", {past_value, v_}, {{"axis", int64_t{2}}});
    }
    node_.alias(1, k_);
    node_.alias(2, v_);
    return emit_.status();
  }

  Status check_shapes() {
    heads_ = q_->shape[1];
    PENSTOCK_ASSIGN_OR_RETURN(extents_.groups, group_size(node_, heads_, k_->shape[1]));
    extents_.batch = q_->shape[0];
    extents_.key_heads = k_->shape[1];
    extents_.queries = q_->shape[2];
    extents_.keys = k_->shape[2];
    head_size_ = q_->shape[3];
    value_size_ = v_->shape[3];
    has_scale_ = attributes().has("scale");
    if (!has_scale_ && !head_size_.is_constant()) {
      return node_.unsupported("needs a scale where the size of the heads varies");
    }
    const double size = has_scale_ ? 1.0 : static_cast<double>(head_size_.constant());
    scale_ = has_scale_ ? attributes().get_float("scale") : static_cast<float>(1 / std::sqrt(size));
    if (v_->dtype != dtype_) v_ = emit_.cast(v_, dtype_);
    if (extents_.groups > 1) {
      q_ = emit_.reshape(
          q_, {extents_.batch, extents_.key_heads, extents_.queries * extents_.groups, head_size_});
    }
    softcap_ = attributes().get_float("softcap");
    if (softcap_ < 0) return node_.invalid("softcap must not be negative");
    const int64_t shown = attributes().get_int("qk_matmul_output_mode");
    if (shown < 0 || shown > int64_t(Shown::kWeights)) {
      return node_.invalid("no qk_matmul_output_mode " + std::to_string(shown));
    }
    return read_precision();
  }

  Status read_precision() {
    const int64_t asked = attributes().get_int("softmax_precision");
    precision_ = asked == 0 ? dtype_ : static_cast<DataType>(asked);
    if (is_floating(precision_)) return emit_.status();
    return node_.invalid("softmax_precision " + std::to_string(asked) + " is no floating type");
  }

  Status collect_masks(AttentionMask& mask) {
    if (ir::Value* counts = node_.input(6)) mask.set_key_counts(counts);
    if (ir::Value* given = node_.input(3)) {
      if (given->shape.size() > 4) {
        return node_.invalid("the mask has rank " + std::to_string(given->shape.size()));
      }
      mask.add_mask(given, dtype_);
    }
    const bool is_causal = attributes().get_int("is_causal") != 0;
    // The core operator knows the mask that ends with the last query at the last key.
    is_core_causal_ = is_causal && is_one_operator() && extents_.groups == 1 &&
                      node_.input(6) == nullptr &&
                      extents_.past + extents_.queries == extents_.keys;
    if (is_causal && !is_core_causal_) mask.add_causal();
    const int64_t left = attributes().get_int("left_window_size", -1);
    const int64_t right = attributes().get_int("right_window_size", -1);
    if (left < -1 || right < -1) return node_.invalid("a window's size is -1 or more");
    mask.add_window(left, right);
    return emit_.status();
  }

  bool is_one_operator() const {
    const auto is_size = [](const ir::Dim& d) { return d.is_constant() && d.constant() > 0; };
    return !node_.wants(3) && softcap_ == 0.0f && precision_ == dtype_ &&
           dtype_ == DataType::kFloat32 && is_size(extents_.key_heads) && is_size(head_size_) &&
           is_size(value_size_);
  }

  ir::Value* one_operator(AttentionMask& mask) {
    std::vector<ir::Value*> inputs = {q_, k_, v_};
    const bool guard = !mask.is_empty();
    if (guard) inputs.push_back(mask.merged(dtype_));
    return emit_("Attention", std::move(inputs),
                 {{"heads", extents_.key_heads.constant()},
                  {"head_size", head_size_.constant()},
                  {"value_size", value_size_.constant()},
                  {"scale", scale_},
                  {"layout", std::string("bhsd")},
                  {"causal", int64_t{is_core_causal_}},
                  {"nan_to_zero", int64_t{guard}}});
  }

  ir::Value* steps(AttentionMask& mask) {
    ir::Value* scores = product();
    show(Shown::kProduct, scores);
    if (softcap_ > 0.0f) {
      ir::Value* cap = emit_.scalar(softcap_, dtype_);
      scores = emit_("Mul", {emit_("Tanh", {emit_("Div", {scores, cap})}), cap});
    }
    show(Shown::kCapped, scores);
    scores = mask.apply(scores);
    show(Shown::kMasked, scores);
    ir::Value* weights =
        emit_("Softmax", {emit_.cast(scores, precision_)}, {{"axis", int64_t{-1}}});
    if (!mask.is_empty()) {
      // A query without keys gives 0.
      weights = emit_("Where", {emit_("IsNaN", {weights}), emit_.scalar(0, precision_), weights});
    }
    weights = emit_.cast(weights, dtype_);
    show(Shown::kWeights, weights);
    return emit_("MatMul", {weights, v_});
  }

  // Types of little range overflow less if each factor takes the root of the scale.
  ir::Value* product() {
    const bool is_wide = dtype_ == DataType::kFloat32 || dtype_ == DataType::kFloat64;
    if (is_wide || scale_ < 0.0f) {
      return emit_("MatMul", {q_, k_}, {{"trans_b", int64_t{1}}, {"alpha", scale_}});
    }
    ir::Value* root = emit_.scalar(std::sqrt(scale_), dtype_);
    return emit_("MatMul", {emit_("Mul", {q_, root}), emit_("Mul", {k_, root})},
                 {{"trans_b", int64_t{1}}});
  }

  void show(Shown stage, ir::Value* scores) {
    if (!node_.wants(3) || attributes().get_int("qk_matmul_output_mode") != int64_t(stage)) return;
    node_.alias(3, ungrouped(scores, extents_.keys));
  }

  ir::Value* ungrouped(ir::Value* x, const ir::Dim& columns) {
    if (extents_.groups == 1) return x;
    return emit_.reshape(x, {extents_.batch, heads_, extents_.queries, columns});
  }

  ir::Value* joined(ir::Value* y) {
    y = ungrouped(y, value_size_);
    if (!is_packed_) return y;
    y = emit_.transpose(y, {0, 2, 1, 3});
    return emit_.reshape(y, {extents_.batch, extents_.queries, heads_ * value_size_});
  }

  NodeImporter& node_;
  Emitter emit_;
  ir::Value* q_ = nullptr;
  ir::Value* k_ = nullptr;
  ir::Value* v_ = nullptr;
  DataType dtype_ = DataType::kUndefined;
  DataType precision_ = DataType::kUndefined;
  bool is_packed_ = false;
  bool has_scale_ = false;
  bool is_core_causal_ = false;
  float scale_ = 1.0f;
  float softcap_ = 0.0f;
  ir::Dim heads_, head_size_, value_size_;
  MaskExtents extents_;
};

constexpr std::string_view kAttention =
    "is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f softcap:f "
    "softmax_precision:i";
constexpr std::string_view kWindowedAttention =
    "is_causal:i kv_num_heads:i left_window_size:i q_num_heads:i qk_matmul_output_mode:i "
    "right_window_size:i scale:f softcap:f softmax_precision:i";
constexpr std::string_view kAttentionCore =
    "Attention MatMul Softmax Mul Tanh Div Where IsNaN And LessOrEqual Range Extents Pad Expand";

constexpr Rule kRules[] = {
    {"Attention", 23, {3, 6}, 4, kAttention, import_attention, kAttentionCore},
    {"Attention", 24, {3, 7}, 4, kAttention, import_attention, kAttentionCore},
    {"Attention", 25, {3, 7}, 4, kWindowedAttention, import_attention, kAttentionCore},
    {"ai.onnx.preview::FlexAttention",
     1,
     {3, 3},
     1,
     "prob_mod:g scale:f score_mod:g softmax_precision:i",
     import_flex_attention,
     "MatMul Softmax"},
    {"CausalConvWithState",
     27,
     {2, 4},
     2,
     "activation:s",
     import_causal_conv,
     "Concat Pad Conv Swish Slice"},
    {"LinearAttention",
     27,
     {3, 6},
     2,
     "~chunk_size:i kv_num_heads:i q_num_heads:i scale:f update_rule:s"},
    {"RotaryEmbedding",
     23,
     {3, 4},
     1,
     "interleaved:i num_heads:i rotary_embedding_dim:i",
     import_rotary_embedding,
     "Gather Slice Mul Add Sub Concat"},
};

}  // namespace

Status import_attention(NodeImporter& node) { return AttentionLowering(node).run(); }

RuleList attention_rules() { return kRules; }

}  // namespace penstock::importer
