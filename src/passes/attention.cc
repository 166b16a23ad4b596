// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// What stands between the scores and the softmax, collected from the softmax backwards.
struct Scores {
  ir::Node* product = nullptr;  // MatMul(Q, K^T)
  ir::Node* last = nullptr;     // the MatMul by V
  ir::Value* mask = nullptr;    // float, added; or bool, true keeps
  float scale = 1.0f;
  bool nan_to_zero = false;
  std::vector<ir::Node*> absorbed;
};

// True where `mask` broadcasts to the scores without enlarging them. Its first extent may also be
// a divisor of theirs: that is how the kernel repeats masks over windows.
bool is_mask_of(const ir::SymbolicShape& mask, const ir::SymbolicShape& scores) {
  if (mask.size() > scores.size()) return false;
  const size_t offset = scores.size() - mask.size();
  for (size_t i = 0; i < mask.size(); ++i) {
    if (!mask[i].is_constant(1) && !(mask[i] == scores[i + offset])) return false;
  }
  return true;
}

class Recogniser {
 public:
  explicit Recogniser(Rewriter& rewriter) : rewriter_(rewriter) {}

  void recognise(ir::Node& last) {
    if (last.op != "MatMul" || last.inputs.size() != 2 || !is_plain(last)) return;
    Scores scores;
    scores.last = &last;
    if (!find_scores(last.inputs[0], scores)) return;
    if (last.inputs[1]->shape.size() == 4) build(scores);
  }

 private:
  static bool is_plain(const ir::Node& matmul) {
    return matmul.attributes.get_int("trans_a") == 0 && matmul.attributes.get_int("trans_b") == 0 &&
           matmul.attributes.get_float("alpha", 1.0f) == 1.0f && !matmul.attributes.has("epilogue");
  }

  // Absorbs the node that computes `value` where only what is absorbed already uses it.
  bool absorb(ir::Value* value, Scores& scores) {
    ir::Node* node = value->producer;
    if (node == nullptr || rewriter_.is_output(value)) return false;
    if (!rewriter_.same_region(*node, *scores.last)) return false;
    for (const ir::Node* user : rewriter_.users(value)) {
      if (user != scores.last && std::find(scores.absorbed.begin(), scores.absorbed.end(), user) ==
                                     scores.absorbed.end()) {
        return false;
      }
    }
    scores.absorbed.push_back(node);
    return true;
  }

  bool find_scores(ir::Value* weights, Scores& scores) {
    if (!find_softmax(weights, scores)) return false;
    ir::Node* softmax = scores.absorbed.back();
    const ir::Value* x = softmax->inputs[0];
    const int64_t axis = softmax->attributes.get_int("axis", -1);
    if (axis != -1 && axis != static_cast<int64_t>(x->shape.size()) - 1) return false;
    ir::Value* value = softmax->inputs[0];
    for (int steps = 0; steps < 8 && value != nullptr; ++steps) {
      ir::Node* node = value->producer;
      if (node == nullptr || !absorb(value, scores)) return false;
      if (node->op == "MatMul") {
        scores.product = node;
        scores.scale *= node->attributes.get_float("alpha", 1.0f);
        return node->inputs.size() == 2 && node->attributes.get_int("trans_a") == 0 &&
               !node->attributes.has("epilogue");
      }
      value = step(*node, scores);
    }
    return false;
  }

  // Softmax, or Where(IsNaN(softmax), 0, softmax).
  bool find_softmax(ir::Value* value, Scores& scores) {
    if (ir::Node* guard = producer(value, "Where")) {
      const ir::Node* test = producer(guard->inputs[0], "IsNaN");
      if (test == nullptr || test->inputs[0] != guard->inputs[2]) return false;
      if (scalar_value(guard->inputs[1]) != 0.0f) return false;
      if (!absorb(value, scores) || !absorb(guard->inputs[0], scores)) return false;
      scores.nan_to_zero = true;
      value = guard->inputs[2];
    }
    return producer(value, "Softmax") != nullptr && absorb(value, scores);
  }

  // The operand of a node between the product and the softmax that carries the scores on.
  ir::Value* step(ir::Node& node, Scores& scores) {
    if (node.op == "Add") return step_add(node, scores);
    if (node.op == "Mul" || node.op == "Div") return step_scale(node, scores);
    if (node.op == "Where") return step_where(node, scores);
    if (node.op == "Reshape") return step_windows(node, scores);
    return nullptr;
  }

  ir::Value* step_add(ir::Node& node, Scores& scores) {
    for (size_t i = 0; i < 2; ++i) {
      ir::Value* x = node.inputs[i];
      ir::Value* mask = node.inputs[1 - i];
      if (x->producer == nullptr || x->is_constant() || x->shape != node.outputs[0]->shape)
        continue;
      if (!leads_to_product(x) || !is_mask_of(mask->shape, x->shape)) continue;
      return add_mask(node, mask, scores) ? x : nullptr;
    }
    return nullptr;
  }

  static bool leads_to_product(const ir::Value* value) {
    for (int steps = 0; steps < 6 && value->producer != nullptr; ++steps) {
      const ir::Node& node = *value->producer;
      if (node.op == "MatMul") return true;
      if (node.op == "Where") {
        value = node.inputs[1]->is_constant() ? node.inputs[2] : node.inputs[1];
      } else if (node.op == "Add" || node.op == "Mul" || node.op == "Div" || node.op == "Reshape") {
        const bool other = node.inputs.size() > 1 && node.inputs[1]->producer != nullptr &&
                           (node.inputs[0]->producer == nullptr ||
                            node.inputs[0]->shape != node.outputs[0]->shape);
        value = node.inputs[other && node.op != "Reshape" ? 1 : 0];
      } else {
        return false;
      }
    }
    return false;
  }

  bool add_mask(ir::Node& node, ir::Value* mask, Scores& scores) {
    if (scores.mask == nullptr) {
      scores.mask = mask;
      return true;
    }
    if (scores.mask->dtype != mask->dtype || mask->dtype == DataType::kBool) return false;
    if (rewriter_.status().is_ok()) {
      scores.mask = rewriter_.emit(*scores.last, node, "Add", {scores.mask, mask});
    }
    return scores.mask != nullptr;
  }

  // scale * scores; a mask added before the factor would have to be scaled too.
  ir::Value* step_scale(ir::Node& node, Scores& scores) {
    for (size_t i = 0; i < 2; ++i) {
      const std::optional<float> factor = scalar_value(node.inputs[1 - i]);
      if (!factor || (node.op == "Div" && i == 1)) continue;
      if (node.inputs[i]->shape != node.outputs[0]->shape || is_mask_below(node.inputs[i]))
        continue;
      scores.scale = node.op == "Mul" ? scores.scale * *factor : scores.scale / *factor;
      return node.inputs[i];
    }
    return nullptr;
  }

  static bool is_mask_below(const ir::Value* value) {
    while (value->producer != nullptr && value->producer->op != "MatMul") {
      const ir::Node& node = *value->producer;
      if (node.op != "Mul" && node.op != "Div") return true;
      value = node.inputs[node.inputs[0]->is_constant() ? 1 : 0];
    }
    return false;
  }

  // Where(keep, scores, -large), or the other way round with the condition negated. -inf hides a
  // key as a bool mask does; with a finite value, rows that are hidden as a whole come out uniform,
  // which adding the value preserves.
  ir::Value* step_where(ir::Node& node, Scores& scores) {
    const bool keeps = scalar_value(node.inputs[2]).has_value();
    const std::optional<float> low = scalar_value(node.inputs[keeps ? 2 : 1]);
    ir::Value* x = node.inputs[keeps ? 1 : 2];
    if (!low || *low > -1e4f || x->shape != node.outputs[0]->shape) return nullptr;
    if (scores.mask != nullptr || !is_mask_of(node.inputs[0]->shape, x->shape)) return nullptr;
    ir::Value* keep = node.inputs[0];
    if (std::isinf(*low)) {
      if (!keeps) keep = rewriter_.emit(*scores.last, node, "Not", {keep});
      scores.mask = keep;
    } else {
      ir::Value* zero = rewriter_.graph().add_float_constant(0.0f);
      ir::Value* hidden = rewriter_.graph().add_float_constant(*low);
      scores.mask = rewriter_.emit(*scores.last, node, "Where",
                                   {keep, keeps ? zero : hidden, keeps ? hidden : zero});
    }
    return scores.mask == nullptr ? nullptr : x;
  }

  // Swin: Reshape([B*W, H, S, S] -> [B, W, H, S, S]), Add of [1, W, 1, S, S], Reshape back. The
  // mask becomes one of [W, 1, S, S], which the kernel repeats over B.
  ir::Value* step_windows(ir::Node& back, Scores& scores) {
    ir::Node* add = producer(back.inputs[0], "Add");
    if (add == nullptr || back.outputs[0]->shape.size() != 4) return nullptr;
    for (size_t i = 0; i < 2; ++i) {
      ir::Node* split = producer(add->inputs[i], "Reshape");
      const ir::SymbolicShape& mask = add->inputs[1 - i]->shape;
      if (split == nullptr || split->inputs.size() != 1 || mask.size() != 5) continue;
      const ir::SymbolicShape& windows = split->outputs[0]->shape;
      if (split->inputs[0]->shape != back.outputs[0]->shape || windows.size() != 5) continue;
      if (!std::equal(windows.begin() + 2, windows.end(), back.outputs[0]->shape.begin() + 1))
        continue;
      if (!mask[0].is_constant(1) || !(mask[1] == windows[1]) || !is_mask_of(mask, windows)) {
        continue;
      }
      if (!absorb(back.inputs[0], scores) || !absorb(add->inputs[i], scores)) return nullptr;
      ir::Attributes shape;
      shape.set("shape", ir::SymbolicShape(mask.begin() + 1, mask.end()));
      ir::Value* narrow =
          rewriter_.emit(*scores.last, *add, "Reshape", {add->inputs[1 - i]}, shape);
      if (narrow == nullptr || !add_mask(*add, narrow, scores)) return nullptr;
      return split->inputs[0];
    }
    return nullptr;
  }

  // Takes scalar factors off an operand of the product.
  ir::Value* without_scale(ir::Value* value, Scores& scores) {
    ir::Node* node = value->producer;
    while (node != nullptr && (node->op == "Mul" || node->op == "Div")) {
      const bool second = node->op == "Mul" && scalar_value(node->inputs[0]).has_value();
      const std::optional<float> factor = scalar_value(node->inputs[second ? 0 : 1]);
      ir::Value* x = node->inputs[second ? 1 : 0];
      if (!factor || x->shape != node->outputs[0]->shape) break;
      scores.scale = node->op == "Mul" ? scores.scale * *factor : scores.scale / *factor;
      if (rewriter_.has_single_use(value)) scores.absorbed.push_back(node);
      value = x;
      node = value->producer;
    }
    return value;
  }

  // K as [B, H, S, D] from K^T: the Transpose in front of the product, undone.
  ir::Value* untransposed(ir::Value* value, Scores& scores) {
    ir::Node& product = *scores.product;
    if (product.attributes.get_int("trans_b") != 0) return value;
    ir::Attributes perm;
    perm.set("perm", std::vector<int64_t>{0, 1, 3, 2});
    ir::Node* transpose = producer(value, "Transpose");
    if (transpose == nullptr)
      return rewriter_.emit(*scores.last, product, "Transpose", {value}, perm);
    std::vector<int64_t> axes = transpose->attributes.get_ints("perm");
    if (axes.size() != 4) return nullptr;
    std::swap(axes[2], axes[3]);
    ir::Value* x = without_scale(transpose->inputs[0], scores);
    if (std::is_sorted(axes.begin(), axes.end())) return x;
    perm.set("perm", axes);
    return rewriter_.emit(*scores.last, *transpose, "Transpose", {x}, perm);
  }

  static bool same_heads(const ir::SymbolicShape& q, const ir::SymbolicShape& k,
                         const ir::SymbolicShape& v) {
    return q.size() == 4 && k.size() == 4 && q[0] == k[0] && q[0] == v[0] && q[1] == k[1] &&
           q[1] == v[1] && k[2] == v[2] && q[3] == k[3] && q[1].is_constant() &&
           q[3].is_constant() && v[3].is_constant() && q[1].constant() > 0 && q[3].constant() > 0 &&
           v[3].constant() > 0;
  }

  // The mask as small as it gets: without an Expand that broadcasting does as well, and as a bool
  // where all it adds is 0 or -inf.
  ir::Value* narrow_mask(const Scores& scores, const ir::SymbolicShape& shape) {
    const auto narrow = [&](ir::Value* value) {
      const ir::Node* expand = producer(value, "Expand");
      return expand != nullptr && is_mask_of(expand->inputs[0]->shape, shape) ? expand->inputs[0]
                                                                              : value;
    };
    ir::Value* mask = narrow(scores.mask);
    ir::Node* where = producer(mask, "Where");
    if (where == nullptr) return mask;
    const std::optional<float> kept = scalar_value(where->inputs[1]);
    const std::optional<float> hidden = scalar_value(where->inputs[2]);
    ir::Value* keep = narrow(where->inputs[0]);
    if (!kept || !hidden) return mask;
    if (*kept == 0.0f && std::isinf(*hidden) && *hidden < 0) return keep;
    if (keep == where->inputs[0]) return mask;
    ir::Value* smaller =
        rewriter_.emit(*scores.last, *where, "Where", {keep, where->inputs[1], where->inputs[2]});
    return smaller == nullptr ? mask : smaller;
  }

  void build(Scores& scores) {
    ir::Value* v = scores.last->inputs[1];
    ir::Value* kt = scores.product->inputs[1];
    const ir::SymbolicShape& scores_shape = scores.product->outputs[0]->shape;
    if (kt->shape.size() != 4 || scores_shape.size() != 4 || !is_floating(v->dtype)) return;
    ir::Value* q = without_scale(scores.product->inputs[0], scores);
    ir::Value* k = untransposed(without_scale(kt, scores), scores);
    if (k == nullptr || !same_heads(q->shape, k->shape, v->shape)) return;
    ir::Node node;
    node.op = "Attention";
    node.name = scores.last->name;
    node.inputs = {q, k, v};
    if (scores.mask != nullptr) node.inputs.push_back(narrow_mask(scores, scores_shape));
    node.attributes.set("heads", q->shape[1].constant());
    node.attributes.set("head_size", q->shape[3].constant());
    node.attributes.set("value_size", v->shape[3].constant());
    node.attributes.set("scale", scores.scale);
    node.attributes.set("layout", std::string("bhsd"));
    if (scores.nan_to_zero) node.attributes.set("nan_to_zero", int64_t{1});
    std::reverse(scores.absorbed.begin(), scores.absorbed.end());
    rewriter_.replace_node(*scores.last, std::move(node), scores.absorbed);
  }

  Rewriter& rewriter_;
};

}  // namespace

// softmax(scale Q K^T + mask) V as one node, heads apart: Q, K and V are [batch, heads, sequence,
// size].
Status attention(ir::Graph& graph) {
  Rewriter rewriter(graph);
  Recogniser recogniser(rewriter);
  rewriter.for_each_node([&](ir::Node& node) { recogniser.recognise(node); });
  rewriter.sweep();
  return rewriter.finish();
}

}  // namespace penstock::passes
