// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <numbers>

#include "import/emitter.h"
#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// Opset 17 has the axis as an attribute.
Status import_dft_17(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  attributes.set("axis", attributes.get_int("axis", 1));
  return node.emit_result("DFT", node.inputs(), std::move(attributes));
}

// constant - first cos(t) + second cos(2 t), with t once around over the window.
struct CosineSum {
  double constant, first, second;
};

Status emit_window(NodeImporter& node, const CosineSum& terms) {
  const auto dtype = static_cast<DataType>(node.attributes().get_int("output_datatype", 1));
  const ir::Value* given = node.input(0);
  if (!is_integer(given->dtype)) return node.invalid("its size must be an integer");
  if (!ir::element_count(given->shape).is_constant(1)) return node.invalid("takes one size");
  Emitter emit(node);
  ir::Value* size = emit.reshape(emit.cast(node.input(0), DataType::kInt64), {});
  ir::Value* period = size;
  if (node.attributes().get_int("periodic", 1) == 0) {
    period = emit("Sub", {size, emit.extent(1)});
  }
  ir::Value* places = emit("Range", {emit.extent(0), size, emit.extent(1)});
  ir::Value* turn =
      emit("Div", {emit.real(2 * std::numbers::pi), emit.cast(period, DataType::kFloat64)});
  ir::Value* angle = emit("Mul", {emit.cast(places, DataType::kFloat64), turn});
  ir::Value* y = emit("Sub", {emit.real(terms.constant),
                              emit("Mul", {emit("Cos", {angle}), emit.real(terms.first)})});
  if (terms.second != 0.0) {
    ir::Value* twice = emit("Cos", {emit("Mul", {angle, emit.real(2)})});
    y = emit("Add", {y, emit("Mul", {twice, emit.real(terms.second)})});
  }
  node.alias(0, emit.cast(y, dtype));
  return emit.status();
}

Status import_hann(NodeImporter& node) { return emit_window(node, {0.5, 0.5, 0}); }
Status import_hamming(NodeImporter& node) {
  return emit_window(node, {25.0 / 46.0, 21.0 / 46.0, 0});
}
Status import_blackman(NodeImporter& node) { return emit_window(node, {0.42, 0.5, 0.08}); }

constexpr std::string_view kWindow = "output_datatype:i periodic:i";

constexpr Rule kRules[] = {
    {"BlackmanWindow", 17, {1, 1}, 1, kWindow, import_blackman, "Range Cos Cast"},
    {"DFT", 17, {1, 2}, 1, "axis:i inverse:i onesided:i", import_dft_17},
    {"DFT", 20, {1, 3}, 1, "inverse:i onesided:i"},
    {"HammingWindow", 17, {1, 1}, 1, kWindow, import_hamming, "Range Cos Cast"},
    {"HannWindow", 17, {1, 1}, 1, kWindow, import_hann, "Range Cos Cast"},
    {"MelWeightMatrix", 17, {5, 5}, 1, "output_datatype:i"},
    {"STFT", 17, {2, 4}, 1, "onesided:i"},
};

}  // namespace

RuleList signal_rules() { return kRules; }

}  // namespace penstock::importer
