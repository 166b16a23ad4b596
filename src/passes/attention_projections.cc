// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace penstock::passes {
namespace {

// A projection that only this attention reads: x times constant weights, plus a constant bias or
// none.
ir::Node* projection(const Rewriter& rewriter, const ir::Value* value, const ir::Node& attention) {
  ir::Node* matmul = producer(value, "MatMul");
  if (matmul == nullptr || rewriter.is_output(value) || matmul->inputs.size() > 3) return nullptr;
  const std::vector<ir::Node*>& users = rewriter.users(value);
  if (!std::all_of(users.begin(), users.end(),
                   [&](const ir::Node* n) { return n == &attention; })) {
    return nullptr;
  }
  const ir::Value* weights = matmul->inputs[1];
  const ir::Value* bias = matmul->input(2);
  if (!weights->is_constant() || weights->shape.size() != 2) return nullptr;
  if (bias != nullptr && (!bias->is_constant() || bias->shape.size() != 1)) return nullptr;
  if (bias != nullptr && !(bias->shape[0] == value->shape.back())) return nullptr;
  const bool is_plain = matmul->attributes.get_int("trans_a") == 0 &&
                        matmul->attributes.get_float("alpha", 1.0f) == 1.0f &&
                        !matmul->attributes.has("epilogue");
  return is_plain ? matmul : nullptr;
}

int64_t columns_of(const ir::Node& matmul) { return matmul.outputs[0]->shape.back().constant(); }

// The weights side by side, [inputs, columns of all].
ir::ConstantRef wide_weights(const std::vector<ir::Node*>& parts, int64_t total) {
  const ir::Constant& first = *parts.front()->inputs[1]->constant;
  const size_t size = size_of(first.dtype);
  const bool first_transposed = parts.front()->attributes.get_int("trans_b") != 0;
  const int64_t rows = first.shape[first_transposed ? 1 : 0];
  std::vector<std::byte> bytes(static_cast<size_t>(rows * total) * size);
  int64_t at = 0;
  for (const ir::Node* part : parts) {
    const std::byte* from = part->inputs[1]->constant->data;
    const int64_t columns = columns_of(*part);
    const bool transposed = part->attributes.get_int("trans_b") != 0;
    for (int64_t r = 0; r < rows; ++r) {
      std::byte* to = bytes.data() + static_cast<size_t>(r * total + at) * size;
      if (!transposed) {
        std::memcpy(to, from + static_cast<size_t>(r * columns) * size,
                    static_cast<size_t>(columns) * size);
        continue;
      }
      for (int64_t c = 0; c < columns; ++c) {
        std::memcpy(to + static_cast<size_t>(c) * size,
                    from + static_cast<size_t>(c * rows + r) * size, size);
      }
    }
    at += columns;
  }
  return ir::make_constant(first.dtype, {rows, total}, bytes.data());
}

ir::ConstantRef wide_bias(const std::vector<ir::Node*>& parts, int64_t total) {
  const DataType dtype = parts.front()->inputs[1]->dtype;
  std::vector<std::byte> bytes(static_cast<size_t>(total) * size_of(dtype));  // zeros
  size_t at = 0;
  for (const ir::Node* part : parts) {
    if (const ir::Value* bias = part->input(2)) {
      std::memcpy(bytes.data() + at, bias->constant->data, bias->constant->bytes);
    }
    at += static_cast<size_t>(columns_of(*part)) * size_of(dtype);
  }
  return ir::make_constant(dtype, {total}, bytes.data());
}

void merge(Rewriter& rewriter, ir::Node& attention, const std::vector<ir::Node*>& parts) {
  ir::Graph& graph = rewriter.graph();
  int64_t total = 0;
  std::vector<int64_t> starts;
  for (const ir::Node* part : parts) {
    starts.push_back(total);
    total += columns_of(*part);
  }
  const ir::Node& first = *parts.front();
  std::vector<ir::Value*> inputs = {
      first.inputs[0],
      graph.add_constant(first.inputs[1]->name + ".wide", wide_weights(parts, total))};
  if (std::any_of(parts.begin(), parts.end(),
                  [](const ir::Node* part) { return part->input(2) != nullptr; })) {
    inputs.push_back(graph.add_constant(first.name + ".bias", wide_bias(parts, total)));
  }
  ir::Value* wide = rewriter.emit(attention, first, "MatMul", inputs);
  if (wide == nullptr) return;
  std::vector<int64_t> offsets = attention.attributes.get_ints("offsets", {0, 0, 0});
  std::vector<ir::Value*> operands = attention.inputs;
  for (size_t i = 0; i < 3; ++i) {
    for (size_t p = 0; p < parts.size(); ++p) {
      if (attention.inputs[i]->producer != parts[p]) continue;
      merge_origins(wide->producer->origins, parts[p]->origins);
      offsets[i] += starts[p];
      operands[i] = wide;
    }
  }
  attention.attributes.set("offsets", offsets);
  rewriter.set_inputs(attention, std::move(operands));
}

}  // namespace

// Projections of the same value to Q, K and V become one wide product, which attention reads
// through offsets: one pass over the value, one larger product.
Status attention_projections(ir::Graph& graph) {
  Rewriter rewriter(graph);
  rewriter.for_each_node([&](ir::Node& attention) {
    if (attention.op != "Attention" || attention.attributes.get_string("layout") != "bshd") return;
    std::vector<ir::Node*> parts;
    for (size_t i = 0; i < 3; ++i) {
      ir::Node* part = projection(rewriter, attention.inputs[i], attention);
      if (part == nullptr || std::find(parts.begin(), parts.end(), part) != parts.end()) continue;
      // Cross-attention: only K and V share their input.
      if (!parts.empty() && parts.front()->inputs[0] != part->inputs[0]) {
        if (parts.size() > 1) continue;
        parts.clear();
      }
      if (parts.empty() || parts.front()->inputs[1]->dtype == part->inputs[1]->dtype) {
        parts.push_back(part);
      }
    }
    if (parts.size() > 1) merge(rewriter, attention, parts);
  });
  return rewriter.finish();
}

}  // namespace penstock::passes
