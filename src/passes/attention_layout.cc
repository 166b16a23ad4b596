// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <array>
#include <numeric>
#include <optional>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// Where element (batch, head, position, column) of Q, K or V comes from along one axis of an
// earlier value: a sum of these coordinates, each with a factor, and an offset.
enum : size_t { kBatch, kHead, kPosition, kColumn, kOffset, kTerms };
using Index = std::array<ir::Dim, kTerms>;

Index sum(const Index& a, const Index& b, const ir::Dim& factor) {
  Index result = a;
  for (size_t i = 0; i < kTerms; ++i) result[i] = result[i] + b[i] * factor;
  return result;
}

Index one(size_t coordinate) {
  Index index;
  index[coordinate] = 1;
  return index;
}

bool divides(const ir::Dim& a, const ir::Dim& b) {
  if (a.is_constant(0)) return false;
  return ir::Dim::floor_div(b, a) * a == b;
}

// Follows a value back through nodes that only move elements.
class Tracer {
 public:
  explicit Tracer(ir::Value* value) : value_(value) {
    indices_ = {one(kBatch), one(kHead), one(kPosition), one(kColumn)};
  }

  ir::Value* value() const { return value_; }
  const std::vector<Index>& indices() const { return indices_; }

  // One node further back; false where that is not possible.
  bool step() {
    const ir::Node* node = value_->producer;
    if (node == nullptr || node->inputs.empty() || node->inputs[0] == nullptr) return false;
    if (!apply(*node)) return false;
    value_ = node->inputs[0];
    return true;
  }

 private:
  bool apply(const ir::Node& node) {
    if (node.op == "Transpose") return transpose(node);
    if (node.op == "Gather") return gather(node);
    if (node.op == "Slice") return slice(node);
    if (node.op == "Split") return split(node);
    return node.op == "Reshape" && node.inputs.size() == 1 && reshape(node);
  }

  bool transpose(const ir::Node& node) {
    const std::vector<int64_t> perm = node.attributes.get_ints("perm");
    if (perm.size() != indices_.size()) return false;
    std::vector<Index> indices(perm.size());
    for (size_t i = 0; i < perm.size(); ++i) indices[perm[i]] = indices_[i];
    indices_ = std::move(indices);
    return true;
  }

  bool gather(const ir::Node& node) {
    const ir::Value* position = node.input(1);
    if (position == nullptr || !position->is_constant() || !position->shape.empty()) return false;
    const auto rank = static_cast<int64_t>(node.inputs[0]->shape.size());
    int64_t axis = node.attributes.get_int("axis");
    if (axis < 0) axis += rank;
    Index index;
    index[kOffset] = ir::to_int64s(*position->constant).front();
    if (index[kOffset].constant() < 0)
      index[kOffset] = index[kOffset] + node.inputs[0]->shape[axis];
    indices_.insert(indices_.begin() + axis, index);
    return true;
  }

  bool slice(const ir::Node& node) {
    if (node.inputs.size() != 1 || !node.attributes.has("starts")) return false;
    const ir::SymbolicShape starts = node.attributes.get_dims("starts");
    ir::SymbolicShape axes = node.attributes.get_dims("axes");
    if (axes.empty()) {
      for (size_t i = 0; i < starts.size(); ++i) axes.emplace_back(static_cast<int64_t>(i));
    }
    for (const ir::Dim& step : node.attributes.get_dims("steps")) {
      if (!step.is_constant(1)) return false;
    }
    const ir::SymbolicShape& shape = node.inputs[0]->shape;
    for (size_t i = 0; i < starts.size(); ++i) {
      if (!starts[i].is_constant() || !axes[i].is_constant()) return false;
      int64_t axis = axes[i].constant();
      if (axis < 0) axis += static_cast<int64_t>(shape.size());
      ir::Dim start = starts[i];
      if (start.constant() < 0) start = start + shape[axis];
      if (!start.is_provably_non_negative()) return false;
      indices_[axis][kOffset] = indices_[axis][kOffset] + start;
    }
    return true;
  }

  bool split(const ir::Node& node) {
    int64_t axis = node.attributes.get_int("axis");
    if (axis < 0) axis += static_cast<int64_t>(indices_.size());
    for (const ir::Value* output : node.outputs) {
      if (output == value_) return true;
      if (output == nullptr) return false;
      indices_[axis][kOffset] = indices_[axis][kOffset] + output->shape[axis];
    }
    return false;
  }

  // Axes of the two shapes are taken in groups of equal extent.
  bool reshape(const ir::Node& node) {
    const ir::SymbolicShape& from = node.inputs[0]->shape;
    const ir::SymbolicShape& to = node.outputs[0]->shape;
    std::vector<Index> indices(from.size());
    size_t i = 0;
    size_t j = 0;
    while (i < from.size() && j < to.size()) {
      const size_t first_from = i;
      const size_t first_to = j;
      ir::Dim a = from[i++];
      ir::Dim b = to[j++];
      while (!(a == b)) {
        if (divides(b, a) && j < to.size()) {
          b = b * to[j++];
        } else if (divides(a, b) && i < from.size()) {
          a = a * from[i++];
        } else {
          return false;
        }
      }
      if (!regroup(from, first_from, i, to, first_to, j, indices)) return false;
    }
    for (; i < from.size(); ++i) {
      if (!from[i].is_constant(1)) return false;
    }
    for (; j < to.size(); ++j) {
      if (!to[j].is_constant(1)) return false;
    }
    indices_ = std::move(indices);
    return true;
  }

  // The place along the one axis of the group that is not of extent 1.
  bool regroup(const ir::SymbolicShape& from, size_t first_from, size_t last_from,
               const ir::SymbolicShape& to, size_t first_to, size_t last_to,
               std::vector<Index>& indices) const {
    Index flat;
    for (size_t j = first_to; j < last_to; ++j) {
      for (ir::Dim& term : flat) term = term * to[j];
      flat = sum(flat, indices_[j], 1);
    }
    std::optional<size_t> target;
    for (size_t i = first_from; i < last_from; ++i) {
      if (from[i].is_constant(1)) continue;
      if (target) return false;
      target = i;
    }
    if (target) indices[*target] = flat;
    return true;
  }

  ir::Value* value_;
  std::vector<Index> indices_;
};

struct Packed {
  ir::Value* value = nullptr;
  int64_t offset = 0;
};

// The earliest value [batch, sequence, columns] that holds the heads side by side.
std::optional<Packed> find_packed(ir::Value* heads) {
  const ir::SymbolicShape& shape = heads->shape;
  std::optional<Packed> found;
  Tracer tracer(heads);
  while (tracer.step()) {
    const std::vector<Index>& at = tracer.indices();
    const ir::SymbolicShape& here = tracer.value()->shape;
    if (here.size() != 3 || at[0] != one(kBatch) || at[1] != one(kPosition)) continue;
    Index columns = one(kColumn);
    columns[kHead] = shape[3];
    columns[kOffset] = at[2][kOffset];
    if (at[2] != columns || !columns[kOffset].is_constant()) continue;
    if (here[0] == shape[0] && here[1] == shape[2]) {
      found = {tracer.value(), columns[kOffset].constant()};
    }
  }
  return found;
}

void pack(Rewriter& rewriter, ir::Node& attention) {
  if (attention.attributes.get_string("layout") != "bhsd") return;
  ir::Node* transpose = rewriter.single_user(attention.outputs[0]);
  if (transpose == nullptr || transpose->op != "Transpose" ||
      transpose->attributes.get_ints("perm") != std::vector<int64_t>{0, 2, 1, 3}) {
    return;
  }
  std::vector<ir::Value*> inputs = attention.inputs;
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < 3; ++i) {
    const std::optional<Packed> packed = find_packed(attention.inputs[i]);
    if (!packed) return;
    inputs[i] = packed->value;
    offsets.push_back(packed->offset);
  }
  ir::Attributes attributes = attention.attributes;
  attributes.set("layout", std::string("bshd"));
  attributes.set("offsets", offsets);
  ir::Value* result = rewriter.emit(attention, attention, "Attention", inputs, attributes);
  if (result == nullptr) return;
  ir::Node split;
  split.op = "Reshape";
  split.name = transpose->name;
  split.inputs = {result};
  split.attributes.set("shape", transpose->outputs[0]->shape);
  split.attributes.set("allowzero", int64_t{1});
  rewriter.replace_node(*transpose, std::move(split));
}

}  // namespace

// Attention that reads its heads out of [batch, sequence, heads * size] and writes them so: the
// Reshapes, Transposes, Splits and Gathers around it have nothing left to do.
Status attention_layout(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& node) {
    if (node.op == "Attention") pack(rewriter, node);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
