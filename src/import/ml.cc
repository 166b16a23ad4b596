// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
// Classical machine learning: operators of the domain ai.onnx.ml.
#include <algorithm>

#include "import/node_importer.h"
#include "import/rules.h"

namespace penstock::importer {
namespace {

using ir::Value;

// Picks along the last axis; a vector counts as one row.
Status import_array_feature_extractor(NodeImporter& node) {
  Value* x = node.input(0);
  if (x->shape.empty()) return node.invalid("takes no scalar");
  PENSTOCK_ASSIGN_OR_RETURN(Value * indices,
                            node.emit("Reshape", {node.input(1), node.ints({-1})}));
  if (x->shape.size() > 1) {
    ir::Attributes attributes;
    attributes.set("axis", int64_t{-1});
    return node.emit_result("Gather", {x, indices}, std::move(attributes));
  }
  PENSTOCK_ASSIGN_OR_RETURN(Value * picked,
                            node.emit("Gather", {x, indices}, {{"axis", int64_t{-1}}}));
  return node.emit_result("Reshape", {picked, node.ints({1, -1})});
}

// 1 above the threshold, else 0. Integers are compared as doubles.
Status import_binarizer(NodeImporter& node) {
  Value* x = node.input(0);
  const auto own = static_cast<int64_t>(x->dtype);
  if (is_integer(x->dtype)) {
    PENSTOCK_ASSIGN_OR_RETURN(
        x, node.emit("Cast", {x}, {{"to", static_cast<int64_t>(DataType::kFloat64)}}));
  }
  const float threshold = node.attributes().get_float("threshold");
  PENSTOCK_ASSIGN_OR_RETURN(Value * above,
                            node.emit("Greater", {x, node.float_constant(threshold, x->dtype)}));
  ir::Attributes attributes;
  attributes.set("to", own);
  return node.emit_result("Cast", {above}, std::move(attributes));
}

// A list of strings among the attributes; null where there is none.
const std::vector<std::string>* strings(const NodeImporter& node, const std::string& name) {
  const auto found = node.attributes().all().find(name);
  return found == node.attributes().all().end()
             ? nullptr
             : std::get_if<std::vector<std::string>>(&found->second);
}

// The list that stands in one of the attributes <name>_tensor, _floats, _int64s and _strings; null
// where none does.
Result<Value*> list_attribute(NodeImporter& node, const std::string& name) {
  const ir::Attributes& attributes = node.attributes();
  ir::ConstantRef constant;
  if (const onnx::TensorProto* tensor = node.tensor(name + "_tensor"))
    return node.constant(*tensor);
  if (attributes.has(name + "_floats")) {
    const std::vector<float> values = attributes.get_floats(name + "_floats");
    constant = ir::make_constant(DataType::kFloat32, {static_cast<int64_t>(values.size())}, values);
  } else if (attributes.has(name + "_int64s")) {
    const std::vector<int64_t> values = attributes.get_ints(name + "_int64s");
    constant = ir::make_constant(DataType::kInt64, {static_cast<int64_t>(values.size())}, values);
  } else if (const std::vector<std::string>* texts = strings(node, name + "_strings")) {
    constant = ir::make_string_constant({static_cast<int64_t>(texts->size())},
                                        {texts->begin(), texts->end()});
  }
  return constant == nullptr ? nullptr : node.graph().add_constant(name, std::move(constant));
}

// The value of elements that are no key, in the type of the values.
Result<Value*> default_value(NodeImporter& node, DataType type) {
  if (const onnx::TensorProto* tensor = node.tensor("default_tensor"))
    return node.constant(*tensor);
  const ir::Attributes& attributes = node.attributes();
  const Shape one = {1};
  if (type == DataType::kString) {
    const std::string text = attributes.get_string("default_string", "_Unused");
    return node.graph().add_constant("default", ir::make_string_constant(one, {text}));
  }
  const ir::ConstantRef constant =
      is_floating(type)
          ? ir::constant_of(type, one,
                            std::vector<double>{attributes.get_float("default_float", -0.0f)})
          : ir::constant_of(type, one,
                            std::vector<int64_t>{attributes.get_int("default_int64", -1)});
  if (constant == nullptr) return node.invalid("has no default for its values");
  return node.graph().add_constant("default", constant);
}

Status import_label_encoder(NodeImporter& node) {
  PENSTOCK_ASSIGN_OR_RETURN(Value * keys, list_attribute(node, "keys"));
  PENSTOCK_ASSIGN_OR_RETURN(Value * values, list_attribute(node, "values"));
  if (keys == nullptr || values == nullptr) {
    return node.invalid("needs keys and values, as tensors or lists");
  }
  PENSTOCK_ASSIGN_OR_RETURN(Value * otherwise, default_value(node, values->dtype));
  return node.emit_result("LabelEncoder", {node.input(0), keys, values, otherwise});
}

// The numbers of trees are inputs of the core operator, its structure stays among the attributes.
Status import_tree_ensemble(NodeImporter& node) {
  for (const char* name : {"nodes_modes", "nodes_splits", "leaf_weights"}) {
    if (node.tensor(name) == nullptr) {
      return node.invalid("the attribute '" + std::string(name) + "' is missing");
    }
  }
  ir::Attributes attributes = node.attributes();
  PENSTOCK_ASSIGN_OR_RETURN(const Value* modes, node.constant(*node.tensor("nodes_modes")));
  attributes.set("nodes_modes", to_int64s(*modes->constant));
  PENSTOCK_ASSIGN_OR_RETURN(Value * splits, node.constant(*node.tensor("nodes_splits")));
  PENSTOCK_ASSIGN_OR_RETURN(Value * weights, node.constant(*node.tensor("leaf_weights")));
  std::vector<Value*> inputs = {node.input(0), splits, weights};
  if (node.tensor("membership_values") != nullptr) {
    PENSTOCK_ASSIGN_OR_RETURN(Value * members, node.constant(*node.tensor("membership_values")));
    inputs.push_back(members);
  }
  return node.emit_result("TreeEnsemble", std::move(inputs), std::move(attributes));
}

constexpr Rule kRules[] = {
    {"ai.onnx.ml::ArrayFeatureExtractor",
     1,
     {2, 2},
     1,
     "",
     import_array_feature_extractor,
     "Gather Reshape"},
    {"ai.onnx.ml::Binarizer", 1, {1, 1}, 1, "threshold:f", import_binarizer, "Cast Greater"},
    {"ai.onnx.ml::LabelEncoder",
     1,
     {1, 1},
     1,
     "keys_tensor:t keys_floats:F keys_int64s:I keys_strings:S values_tensor:t values_floats:F "
     "values_int64s:I values_strings:S default_tensor:t default_float:f default_int64:i "
     "default_string:s",
     import_label_encoder,
     "LabelEncoder"},
    {"ai.onnx.ml::TreeEnsemble",
     1,
     {1, 1},
     1,
     "aggregate_function:i leaf_targetids:I leaf_weights:t membership_values:t n_targets:i "
     "nodes_falseleafs:I nodes_falsenodeids:I nodes_featureids:I ~nodes_hitrates:t "
     "nodes_missing_value_tracks_true:I nodes_modes:t nodes_splits:t nodes_trueleafs:I "
     "nodes_truenodeids:I post_transform:i tree_roots:I",
     import_tree_ensemble,
     "TreeEnsemble"},
};

}  // namespace

RuleList ml_rules() { return kRules; }

}  // namespace penstock::importer
