// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <string>

#include "import/attention.h"
#include "import/emitter.h"

namespace penstock::importer {
namespace {

// A pair (a, b) of each head becomes (a cos - b sin, a sin + b cos).
struct Rotation {
  ir::Value* cos;
  ir::Value* sin;
  int64_t half;  // pairs in a head
  bool is_interleaved;
};

// x is of rank 4, its last axis the 2 * half elements to be rotated.
ir::Value* rotate(Emitter& emit, ir::Value* x, const Rotation& r) {
  const ir::SymbolicShape shape = x->shape;
  ir::Value* a = nullptr;
  ir::Value* b = nullptr;
  const ir::SymbolicShape part = {shape[0], shape[1], shape[2], r.half};
  if (r.is_interleaved) {
    ir::Value* pairs = emit.reshape(x, {shape[0], shape[1], shape[2], r.half, 2});
    a = emit.reshape(emit.slice(pairs, 4, 0, 1), part);
    b = emit.reshape(emit.slice(pairs, 4, 1, 2), part);
  } else {
    a = emit.slice(x, 3, 0, r.half);
    b = emit.slice(x, 3, r.half, 2 * r.half);
  }
  ir::Value* first = emit("Sub", {emit("Mul", {a, r.cos}), emit("Mul", {b, r.sin})});
  ir::Value* second = emit("Add", {emit("Mul", {a, r.sin}), emit("Mul", {b, r.cos})});
  if (!r.is_interleaved) return emit("Concat", {first, second}, {{"axis", int64_t{3}}});
  const ir::SymbolicShape column = {shape[0], shape[1], shape[2], r.half, 1};
  ir::Value* pairs = emit("Concat", {emit.reshape(first, column), emit.reshape(second, column)},
                          {{"axis", int64_t{4}}});
  return emit.reshape(pairs, shape);
}

// The angles' cosines or sines, one row per token, beside the axis of heads.
Result<ir::Value*> angles(NodeImporter& node, Emitter& emit, size_t i, int64_t half,
                          bool heads_first) {
  ir::Value* cache = node.input(i);
  ir::Value* places = node.input(3);
  const size_t rank = places != nullptr ? 2 : 3;
  const ir::SymbolicShape& shape = cache->shape;
  if (shape.size() != rank || (places != nullptr && places->shape.size() != 2)) {
    return node.invalid("input " + std::to_string(i) + " must have rank 3, or 2 beside " +
                        "position_ids of rank 2; it has shape " + ir::to_string(shape));
  }
  if (shape.back().is_constant() && !shape.back().is_constant(half)) {
    return node.invalid("input " + std::to_string(i) + " has shape " + ir::to_string(shape) +
                        ", but heads have " + std::to_string(half) + " pairs to rotate");
  }
  if (places != nullptr) cache = emit("Gather", {cache, places}, {{"axis", int64_t{0}}});
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  const ir::SymbolicShape rows = cache->shape;
  return emit.reshape(cache, heads_first ? ir::SymbolicShape{rows[0], 1, rows[1], half}
                                         : ir::SymbolicShape{rows[0], rows[1], 1, half});
}

}  // namespace

Status import_rotary_embedding(NodeImporter& node) {
  Emitter emit(node);
  ir::Value* x = node.input(0);
  const ir::SymbolicShape outer = x->shape;
  const int64_t heads = node.attributes().get_int("num_heads");
  const bool is_packed = outer.size() == 3;
  if (is_packed) {
    if (heads < 1 || !ir::Dim::mod(outer[2], heads).is_constant(0)) {
      return node.invalid("num_heads = " + std::to_string(heads) +
                          " does not divide the columns of " + ir::to_string(outer));
    }
    x = emit.reshape(x, {outer[0], outer[1], heads, ir::Dim::floor_div(outer[2], heads)});
    PENSTOCK_RETURN_IF_ERROR(emit.status());
  } else if (outer.size() != 4) {
    return node.invalid("X must have rank 3 or 4, not shape " + ir::to_string(outer));
  }
  const ir::Dim size = x->shape[3];
  if (!size.is_constant()) return node.unsupported("the size of the heads must be fixed");
  int64_t rotated = node.attributes().get_int("rotary_embedding_dim");
  if (rotated == 0) rotated = size.constant();
  if (rotated < 0 || rotated > size.constant() || rotated % 2 != 0) {
    return node.invalid("cannot rotate pairs of " + std::to_string(rotated) +
                        " elements in heads of " + std::to_string(size.constant()));
  }
  Rotation rotation{nullptr, nullptr, rotated / 2, node.attributes().get_int("interleaved") != 0};
  PENSTOCK_ASSIGN_OR_RETURN(rotation.cos, angles(node, emit, 1, rotated / 2, !is_packed));
  PENSTOCK_ASSIGN_OR_RETURN(rotation.sin, angles(node, emit, 2, rotated / 2, !is_packed));
  const bool is_partial = rotated < size.constant();
  ir::Value* first = is_partial ? emit.slice(x, 3, 0, rotated) : x;
  PENSTOCK_RETURN_IF_ERROR(emit.status());
  ir::Value* y = rotate(emit, first, rotation);
  if (is_partial) {
    y = emit("Concat", {y, emit.slice(x, 3, rotated, size)}, {{"axis", int64_t{3}}});
  }
  node.alias(0, is_packed ? emit.reshape(y, outer) : y);
  return emit.status();
}

}  // namespace penstock::importer
