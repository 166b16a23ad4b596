// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/indexing/embedding_pieces.h"
#include "passes/host_values.h"
#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

using Kind = ops::EmbeddingPiece::Kind;

bool is_gpu_float(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBFloat16;
}

bool is_axis(const ir::Node& node, int64_t axis, size_t rank) {
  const int64_t given = node.attributes.get_int("axis");
  return given == axis || given + static_cast<int64_t>(rank) == axis;
}

// A piece of the result: its operands, what it does with them, and the nodes that it replaces.
struct Piece {
  Kind kind = Kind::kDense;
  int64_t column = -1;
  std::vector<ir::Value*> inputs;
  std::vector<ir::Node*> nodes;
};

// The column that a Gather of one constant index takes from a matrix; -1 where it is none.
int64_t picked_column(const ir::Node& gather) {
  const ir::Value* data = gather.inputs[0];
  const ir::Value* index = gather.inputs[1];
  if (data->shape.size() != 2 || !is_axis(gather, 1, 2)) return -1;
  if (!index->is_constant() || !index->shape.empty()) return -1;
  const std::vector<int64_t> column = ir::to_int64s(*index->constant);
  if (column.size() != 1) return -1;
  if (column[0] >= 0) return column[0];
  return data->shape[1].is_constant() ? std::max<int64_t>(-1, column[0] + data->shape[1].constant())
                                      : -1;
}

// Rows of a table at indices, which may be a sum with constants, and a column of a matrix.
std::optional<Piece> find_lookup(ir::Node& gather) {
  ir::Value* table = gather.inputs[0];
  ir::Value* indices = gather.inputs[1];
  if (table->shape.size() != 2 || !is_axis(gather, 0, 2) || !is_gpu_float(table->dtype)) {
    return std::nullopt;
  }
  Piece piece = {Kind::kLookup, -1, {table, indices}, {&gather}};
  if (ir::Node* add = producer(indices, "Add"); add != nullptr && indices->shape.size() <= 2) {
    const size_t constant = add->inputs[0]->is_constant() ? 0 : 1;
    ir::Value* offsets = add->inputs[constant];
    ir::Value* rest = add->inputs[1 - constant];
    const bool fits = offsets->shape.empty() ||
                      (offsets->shape.size() == 1 && rest->shape.size() == 2) ||
                      offsets->shape == ir::SymbolicShape{ir::Dim(1)};
    if (offsets->is_constant() && offsets->dtype == DataType::kInt64 && fits &&
        rest->shape == indices->shape) {
      piece.kind = Kind::kLookupWithOffsets;
      piece.inputs = {table, rest, offsets};
      piece.nodes.push_back(add);
    }
  }
  if (ir::Node* pick = producer(piece.inputs[1], "Gather"); pick != nullptr) {
    piece.column = picked_column(*pick);
    if (piece.column >= 0) {
      piece.inputs[1] = pick->inputs[0];
      piece.nodes.push_back(pick);
    }
  }
  const size_t rank = piece.inputs[1]->shape.size();
  if (rank < 1 || rank > 2) return std::nullopt;
  return piece;
}

class Fusion {
 public:
  explicit Fusion(ir::Graph& graph) : rewriter_(graph), host_(host_values(graph)) {}

  Status run() {
    rewriter_.for_each_node([&](ir::Node& node) {
      if (node.op == "Concat") fuse(node);
    });
    return rewriter_.finish();
  }

 private:
  void fuse(ir::Node& concat) {
    const ir::Value* y = concat.outputs[0];
    if (y->shape.size() != 2 || !is_axis(concat, 1, 2) || !is_gpu_float(y->dtype)) return;
    if (&rewriter_.region_of(concat) != &rewriter_.graph().main || host_.count(y) != 0) return;
    ir::Node fused;
    fused.op = "EmbeddingConcat";
    fused.name = concat.name;
    std::vector<int64_t> pieces;
    std::vector<ir::Node*> absorbed;
    for (ir::Value* input : concat.inputs) {
      const Piece piece = find_piece(input);
      pieces.push_back(static_cast<int64_t>(piece.kind));
      pieces.push_back(piece.column);
      fused.inputs.insert(fused.inputs.end(), piece.inputs.begin(), piece.inputs.end());
      absorbed.insert(absorbed.end(), piece.nodes.begin(), piece.nodes.end());
    }
    if (absorbed.empty() || concat.inputs.size() > ops::kMostEmbeddingPieces) return;
    fused.attributes.set("pieces", pieces);
    fused.attributes.set("to", static_cast<int64_t>(y->dtype));
    rewriter_.replace_node(concat, std::move(fused), absorbed);
  }

  // An operand of the Concat, or what it is computed from where nothing else uses it.
  Piece find_piece(ir::Value* value) {
    const Piece as_is = {Kind::kDense, -1, {value}, {}};
    if (value->producer == nullptr || !rewriter_.has_single_use(value)) return as_is;
    if (ir::Node* cast = producer(value, "Cast"); cast != nullptr) {
      if (!is_gpu_float(cast->inputs[0]->dtype)) return as_is;
      return {Kind::kDense, -1, {cast->inputs[0]}, {cast}};
    }
    ir::Value* rows = value;
    ir::Node* reshape = producer(value, "Reshape");
    if (reshape != nullptr) rows = reshape->inputs[0];
    ir::Node* gather = producer(rows, "Gather");
    if (gather == nullptr || !rewriter_.has_single_use(rows)) return as_is;
    std::optional<Piece> piece = find_lookup(*gather);
    if (!piece) return as_is;
    // Looked up are [n, width], or [n, count, width] that a Reshape makes [n, count * width].
    const ir::SymbolicShape& shape = rows->shape;
    const bool flat = reshape == nullptr && shape.size() == 2;
    const bool flattened = reshape != nullptr && shape.size() == 3 && value->shape[0] == shape[0] &&
                           value->shape[1] == shape[1] * shape[2];
    if (!flat && !flattened) return as_is;
    if (reshape != nullptr) piece->nodes.push_back(reshape);
    return *piece;
  }

  Rewriter rewriter_;
  std::unordered_set<const ir::Value*> host_;
};

}  // namespace

// Lookups in tables of embeddings, casts, and the Concat that puts them into rows: one node.
Status embedding_concat(ir::Graph& graph) { return Fusion(graph).run(); }

}  // namespace penstock::passes
