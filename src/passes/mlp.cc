// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/epilogue.h"
#include "ops/indexing/embedding_pieces.h"
#include "passes/host_values.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// What a cluster of eight blocks holds in shared memory, less what the rows take.
constexpr int64_t kMostWeightBytes = int64_t{1500} << 10;
constexpr size_t kMostLayers = 8;

bool is_16_bits(DataType type) { return type == DataType::kFloat16 || type == DataType::kBFloat16; }

// A product of rows by constant weights whose epilogue is one activation or none.
bool is_layer(const ir::Node& node) {
  if (node.op != "MatMul" || node.inputs.size() > 3) return false;
  const ir::Value* x = node.inputs[0];
  const ir::Value* weights = node.inputs[1];
  const ir::Value* bias = node.input(2);
  if (!is_16_bits(x->dtype) || x->shape.size() != 2) return false;
  if (!weights->is_constant() || weights->shape.size() != 2) return false;
  if (node.attributes.get_int("trans_a") != 0) return false;
  if (node.attributes.get_float("alpha", 1.0f) != 1.0f) return false;
  const ir::SymbolicShape columns = {node.outputs[0]->shape.back()};
  if (bias != nullptr && (!bias->is_constant() || bias->shape != columns)) return false;
  const auto epilogue = ops::parse_epilogue(node.attributes.get_string("epilogue"));
  return epilogue.is_ok() && epilogue->size() <= 1;
}

int64_t weight_bytes(const ir::Node& layer) {
  return static_cast<int64_t>(layer.inputs[1]->constant->bytes);
}

class Fusion {
 public:
  explicit Fusion(ir::Graph& graph) : rewriter_(graph), host_(host_values(graph)) {}

  Status run() {
    rewriter_.for_each_node([&](ir::Node& node) {
      if (!is_free_layer(node)) return;
      std::vector<ir::Node*> chain = chain_from(node);
      if (chain.size() > 1) fuse(chain);
    });
    return rewriter_.finish();
  }

 private:
  bool is_free_layer(const ir::Node& node) {
    return is_layer(node) && &rewriter_.region_of(node) == &rewriter_.graph().main &&
           host_.count(node.outputs[0]) == 0;
  }

  // The layers from `first` on, each the only user of the one before, while their weights fit.
  std::vector<ir::Node*> chain_from(ir::Node& first) {
    std::vector<ir::Node*> chain = {&first};
    int64_t bytes = weight_bytes(first);
    while (chain.size() < kMostLayers) {
      const ir::Value* result = chain.back()->outputs[0];
      ir::Node* next = rewriter_.single_user(result);
      if (next == nullptr || !is_free_layer(*next) || next->inputs[0] != result) break;
      bytes += weight_bytes(*next);
      if (bytes > kMostWeightBytes) break;
      chain.push_back(next);
    }
    return chain;
  }

  void fuse(std::vector<ir::Node*>& chain) {
    ir::Node fused;
    fused.op = "MLP";
    std::vector<ir::Node*> absorbed;
    add_rows(*chain.front(), fused, absorbed);
    std::vector<int64_t> trans_b;
    std::string epilogue;
    for (ir::Node* layer : chain) {
      fused.inputs.push_back(layer->inputs[1]);
      fused.inputs.push_back(layer->input(2));
      trans_b.push_back(layer->attributes.get_int("trans_b") != 0 ? 1 : 0);
      if (layer != chain.front()) epilogue += "|";
      epilogue += layer->attributes.get_string("epilogue");
      absorbed.push_back(layer);
    }
    ir::Node* root = chain.back();
    ir::Node* cast = rewriter_.single_user(root->outputs[0]);
    if (cast != nullptr && cast->op == "Cast" && cast->outputs[0]->dtype == DataType::kFloat32) {
      root = cast;
      absorbed.push_back(cast);
    }
    fused.name = root->name;
    fused.attributes.set("trans_b", trans_b);
    fused.attributes.set("epilogue", epilogue);
    fused.attributes.set("to", static_cast<int64_t>(root->outputs[0]->dtype));
    rewriter_.replace_node(*root, std::move(fused), absorbed);
  }

  // What the rows are made of: the pieces of an EmbeddingConcat, the operands of a Concat, what is
  // cast, or the rows themselves.
  void add_rows(const ir::Node& layer, ir::Node& fused, std::vector<ir::Node*>& absorbed) {
    ir::Value* x = layer.inputs[0];
    ir::Node* node = x->producer;
    const bool is_own = node != nullptr && rewriter_.has_single_use(x);
    if (is_own && node->op == "EmbeddingConcat") {
      fused.inputs = node->inputs;
      fused.attributes.set("pieces", node->attributes.get_ints("pieces"));
      absorbed.push_back(node);
      return;
    }
    std::vector<ir::Value*> rows = {x};
    const auto is_float = [](const ir::Value* value) {
      return is_16_bits(value->dtype) || value->dtype == DataType::kFloat32;
    };
    if (is_own && node->op == "Cast" && is_float(node->inputs[0])) {
      rows = node->inputs;
    } else if (is_own && node->op == "Concat" && is_last_axis(*node) &&
               node->inputs.size() <= ops::kMostEmbeddingPieces) {
      rows = node->inputs;
    }
    if (rows[0] != x) absorbed.push_back(node);
    std::vector<int64_t> pieces;
    for (size_t i = 0; i < rows.size(); ++i) pieces.insert(pieces.end(), {0, -1});
    fused.inputs = rows;
    fused.attributes.set("pieces", pieces);
  }

  static bool is_last_axis(const ir::Node& concat) {
    const int64_t axis = concat.attributes.get_int("axis");
    return axis == 1 || axis == -1;
  }

  Rewriter rewriter_;
  std::unordered_set<const ir::Value*> host_;
};

}  // namespace

// Chains of small products by constant weights in 16 bits: one node, with the rows that they start
// from and the Cast of what they end in.
Status mlp(ir::Graph& graph) { return Fusion(graph).run(); }

}  // namespace penstock::passes
