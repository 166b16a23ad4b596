// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

// ONNX has floats as seeds; the core operators take integers. None given: none set.
void set_seed(const ir::Attributes& from, ir::Attributes& to) {
  if (!from.has("seed")) return;
  const float seed = from.get_float("seed");
  const bool is_usable = std::abs(seed) < 0x1p62f;  // false for NaN, which asks for any
  if (is_usable) to.set("seed", static_cast<int64_t>(seed));
}

// RandomUniform, RandomNormal, and their Like, of which `like` is the input.
Status emit_random(NodeImporter& node, std::string_view op, ir::Value* like) {
  ir::Attributes attributes = node.attributes();
  attributes.erase("seed");
  set_seed(node.attributes(), attributes);
  const DataType type = like == nullptr ? DataType::kFloat32 : like->dtype;
  attributes.set("dtype", node.attributes().get_int("dtype", static_cast<int64_t>(type)));
  if (like == nullptr) {
    if (!attributes.has("shape")) return node.invalid("the attribute 'shape' is missing");
    return node.emit_result(op, {}, std::move(attributes));
  }
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * shape, node.emit("Shape", {like}));
  return node.emit_result(op, {shape}, std::move(attributes));
}

Status import_random(NodeImporter& node) { return emit_random(node, node.rule().op, nullptr); }

Status import_random_like(NodeImporter& node) {
  const std::string_view op = node.rule().op;
  return emit_random(node, op.substr(0, op.size() - std::string_view("Like").size()),
                     node.input(0));
}

// 1 with the probability that the input gives: where a number drawn from [0, 1) is below it.
Status import_bernoulli(NodeImporter& node) {
  const auto wide = static_cast<int64_t>(DataType::kFloat64);
  ir::Attributes attributes;
  set_seed(node.attributes(), attributes);
  attributes.set("dtype", wide);
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * shape, node.emit("Shape", {node.input(0)}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * draw, node.emit("RandomUniform", {shape}, attributes));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * chance, node.emit("Cast", {node.input(0)}, {{"to", wide}}));
  PENSTOCK_ASSIGN_OR_RETURN(ir::Value * is_below, node.emit("Less", {draw, chance}));
  const auto own = static_cast<int64_t>(node.input(0)->dtype);
  ir::Attributes cast;
  cast.set("to", node.attributes().get_int("dtype", own));
  return node.emit_result("Cast", {is_below}, std::move(cast));
}

Status import_multinomial(NodeImporter& node) {
  ir::Attributes attributes = node.attributes();
  attributes.erase("seed");
  set_seed(node.attributes(), attributes);
  return node.emit_result("Multinomial", node.inputs(), std::move(attributes));
}

constexpr Rule kRules[] = {
    {"Bernoulli",
     15,
     {1, 1},
     1,
     "dtype:i seed:f",
     import_bernoulli,
     "Shape RandomUniform Cast Less"},
    {"Multinomial", 7, {1, 1}, 1, "dtype:i sample_size:i seed:f", import_multinomial},
    {"RandomNormal", 1, {0, 0}, 1, "dtype:i mean:f scale:f seed:f shape:I", import_random},
    {"RandomNormalLike",
     1,
     {1, 1},
     1,
     "dtype:i mean:f scale:f seed:f",
     import_random_like,
     "Shape RandomNormal"},
    {"RandomUniform", 1, {0, 0}, 1, "dtype:i high:f low:f seed:f shape:I", import_random},
    {"RandomUniformLike",
     1,
     {1, 1},
     1,
     "dtype:i high:f low:f seed:f",
     import_random_like,
     "Shape RandomUniform"},
};

}  // namespace

RuleList random_rules() { return kRules; }

}  // namespace penstock::importer
