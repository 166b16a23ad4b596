// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "model_mutator.h"

#include <penstock/diagnostics.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tensors.h"

namespace penstock::fuzz {
namespace {

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::TensorProto;

constexpr int kMostNodes = 24;
constexpr int64_t kMostTensorBytes = 1 << 12;

template <typename T>
const T& any_of(const std::vector<T>& choices, Random& random) {
  return choices[random.below(choices.size())];
}

const std::vector<std::string>& operator_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    const nlohmann::json list = nlohmann::json::parse(list_operators());
    for (const auto& op : list.at("operators")) names.push_back(op.at("operator"));
    return names;
  }();
  return kNames;
}

const std::vector<std::string> kIntegerAttributes = {
    "axis",    "keepdims",   "group",       "to",         "k",         "dtype",      "blocksize",
    "largest", "batch_dims", "allowzero",   "start",      "end",       "size",       "hidden_size",
    "reverse", "exclusive",  "num_outputs", "block_size", "num_heads", "is_causal",  "ceil_mode",
    "p",       "upper",      "onesided",    "inverse",    "sorted",    "num_groups", "new_axis"};
const std::vector<std::string> kListAttributes = {
    "axes", "pads",  "strides", "dilations",    "kernel_shape",   "perm",       "starts",
    "ends", "split", "shape",   "output_shape", "output_padding", "value_ints", "scan_input_axes"};
const std::vector<std::string> kStrings = {"",
                                           "NOTSET",
                                           "SAME_UPPER",
                                           "SAME_LOWER",
                                           "VALID",
                                           "constant",
                                           "reflect",
                                           "edge",
                                           "wrap",
                                           "linear",
                                           "nearest",
                                           "cubic",
                                           "mul",
                                           "add",
                                           "max",
                                           "mean",
                                           "sum",
                                           "none",
                                           "forward",
                                           "reverse",
                                           "tanh",
                                           "DCR",
                                           "CRD",
                                           "bilinear",
                                           "align_corners",
                                           "asymmetric",
                                           "half_pixel",
                                           "tf_crop_and_resize",
                                           "bidirectional",
                                           "i,j->ij",
                                           "...ij,jk",
                                           "pytorch_half_pixel",
                                           "x(",
                                           "\xff"};

// All graphs of the model, the bodies of its nodes too.
void collect(GraphProto& graph, std::vector<GraphProto*>& graphs) {
  graphs.push_back(&graph);
  for (NodeProto& node : *graph.mutable_node()) {
    for (AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) collect(*attribute.mutable_g(), graphs);
    }
  }
}

// Where tensors stand: initializers, and attributes of nodes.
std::vector<TensorProto*> tensors_of(GraphProto& graph) {
  std::vector<TensorProto*> tensors;
  for (TensorProto& tensor : *graph.mutable_initializer()) tensors.push_back(&tensor);
  for (NodeProto& node : *graph.mutable_node()) {
    for (AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) tensors.push_back(attribute.mutable_t());
    }
  }
  return tensors;
}

std::vector<std::string> value_names(const GraphProto& graph) {
  std::vector<std::string> names = {""};
  for (const auto& input : graph.input()) names.push_back(input.name());
  for (const auto& tensor : graph.initializer()) names.push_back(tensor.name());
  for (const NodeProto& node : graph.node()) {
    for (const std::string& name : node.output()) names.push_back(name);
  }
  return names;
}

int random_type(Random& random) {
  static const std::vector<int> kCommon = {TensorProto::FLOAT, TensorProto::INT64,
                                           TensorProto::INT32, TensorProto::BOOL,
                                           TensorProto::UINT8, TensorProto::DOUBLE};
  return random.one_in(2) ? any_of(kCommon, random) : static_cast<int>(random.below(29));
}

// Changes a list's length or one of its elements.
template <typename List, typename Make>
void mutate_list(List* list, Random& random, Make&& make) {
  const size_t kind = random.below(4);
  if (list->empty() || kind == 0) {
    list->Add(make());
  } else if (kind == 1) {
    list->RemoveLast();
  } else {
    (*list)[static_cast<int>(random.below(static_cast<size_t>(list->size())))] = make();
  }
}

// The tensor gets elements for its shape, where that is small: most kernels are behind that check.
void fit_elements(TensorProto& tensor, Random& random) {
  int64_t bytes = tensor.data_type() > TensorProto::DOUBLE ? 1 : 8;
  if (tensor.data_type() == TensorProto::FLOAT || tensor.data_type() == TensorProto::INT32) {
    bytes = 4;
  }
  for (int64_t extent : tensor.dims()) {
    if (extent < 0 || __builtin_mul_overflow(bytes, extent, &bytes) || bytes > kMostTensorBytes) {
      return;
    }
  }
  std::string raw = tensor.raw_data();
  while (raw.size() < static_cast<size_t>(bytes)) {
    const int64_t number = random.integer();
    raw.append(reinterpret_cast<const char*>(&number), bytes % 8 == 0 ? 8 : 4);
  }
  raw.resize(static_cast<size_t>(bytes));
  tensor.clear_float_data();
  tensor.clear_int32_data();
  tensor.clear_int64_data();
  tensor.clear_double_data();
  tensor.set_raw_data(raw);
}

void mutate_tensor(TensorProto& tensor, Random& random) {
  switch (random.below(5)) {
    case 0: tensor.set_data_type(random_type(random)); break;
    case 1:
    case 2: mutate_list(tensor.mutable_dims(), random, [&] { return random.integer(); }); break;
    case 3: {
      std::string& raw = *tensor.mutable_raw_data();
      const int64_t number = random.integer();
      const auto* bytes = reinterpret_cast<const char*>(&number);
      if (!raw.empty()) raw.replace(random.below(raw.size()) & ~size_t{7}, 8, bytes, 8);
      break;
    }
    default:
      mutate_list(tensor.mutable_int64_data(), random, [&] { return random.integer(); });
      return;
  }
  if (!random.one_in(4)) fit_elements(tensor, random);
}

void mutate_attribute(AttributeProto& attribute, Random& random) {
  const auto integer = [&] { return random.integer(); };
  const auto real = [&] { return static_cast<float>(random.real()); };
  if (random.one_in(12)) {
    attribute.set_type(static_cast<AttributeProto::AttributeType>(random.below(15)));
  }
  switch (attribute.type()) {
    case AttributeProto::INT: attribute.set_i(integer()); break;
    case AttributeProto::FLOAT: attribute.set_f(real()); break;
    case AttributeProto::STRING: attribute.set_s(any_of(kStrings, random)); break;
    case AttributeProto::INTS: mutate_list(attribute.mutable_ints(), random, integer); break;
    case AttributeProto::FLOATS: mutate_list(attribute.mutable_floats(), random, real); break;
    case AttributeProto::STRINGS:
      if (!attribute.strings().empty() && random.one_in(3)) {
        attribute.mutable_strings()->RemoveLast();
      } else {
        attribute.add_strings(any_of(kStrings, random));
      }
      break;
    case AttributeProto::TENSOR: mutate_tensor(*attribute.mutable_t(), random); break;
    default: break;
  }
}

void add_attribute(NodeProto& node, Random& random) {
  AttributeProto& attribute = *node.add_attribute();
  if (random.one_in(2)) {
    attribute.set_name(any_of(kIntegerAttributes, random));
    attribute.set_type(AttributeProto::INT);
  } else {
    attribute.set_name(any_of(kListAttributes, random));
    attribute.set_type(AttributeProto::INTS);
    while (!random.one_in(4)) attribute.add_ints(random.integer());
  }
  mutate_attribute(attribute, random);
}

void mutate_node(NodeProto& node, const GraphProto& graph, Random& random) {
  const int attributes = node.attribute_size();
  const auto value = [&] { return any_of(value_names(graph), random); };
  switch (random.below(10)) {
    case 0: node.set_op_type(any_of(operator_names(), random)); break;
    case 1:
      if (node.input_size() > 0) {
        node.set_input(static_cast<int>(random.below(node.input_size())), value());
      }
      break;
    case 2: node.add_input(value()); break;
    case 3:
      if (node.input_size() > 0) node.mutable_input()->RemoveLast();
      break;
    case 4: node.add_output("extra" + std::to_string(random.below(100))); break;
    case 5: add_attribute(node, random); break;
    case 6:
      if (attributes > 0) {
        node.mutable_attribute()->DeleteSubrange(static_cast<int>(random.below(attributes)), 1);
      }
      break;
    default:
      if (attributes > 0) {
        mutate_attribute(*node.mutable_attribute(static_cast<int>(random.below(attributes))),
                         random);
      } else {
        add_attribute(node, random);
      }
  }
}

// A node more, of any operator, whose first result the graph gives.
void add_node(GraphProto& graph, Random& random) {
  if (graph.node_size() >= kMostNodes) return;
  const std::vector<std::string> values = value_names(graph);
  NodeProto& node = *graph.add_node();
  node.set_op_type(any_of(operator_names(), random));
  for (size_t i = 1 + random.below(3); i > 0; --i) node.add_input(any_of(values, random));
  const std::string name = "added" + std::to_string(random.below(1000));
  node.add_output(name);
  if (graph.output_size() > 0 && random.one_in(2)) {
    graph.mutable_output(0)->set_name(name);
    graph.mutable_output(0)->clear_type();
  } else {
    graph.add_output()->set_name(name);
  }
}

void mutate_type(onnx::TypeProto& type, Random& random) {
  if (!type.has_tensor_type()) return;
  auto& tensor = *type.mutable_tensor_type();
  if (random.one_in(3)) return tensor.set_elem_type(random_type(random));
  auto& dims = *tensor.mutable_shape()->mutable_dim();
  if (dims.empty() || random.one_in(5)) {
    dims.Add()->set_dim_value(random.integer());
  } else if (random.one_in(5)) {
    dims.RemoveLast();
  } else {
    auto& dim = dims[static_cast<int>(random.below(static_cast<size_t>(dims.size())))];
    switch (random.below(4)) {
      case 0: dim.set_dim_param(random.one_in(2) ? "n" : "m"); break;
      case 1: dim.clear_dim_value(); break;
      default: dim.set_dim_value(random.integer());
    }
  }
}

void mutate_once(ModelProto& model, Random& random) {
  std::vector<GraphProto*> graphs;
  collect(*model.mutable_graph(), graphs);
  GraphProto& graph = *graphs[random.below(graphs.size())];
  const std::vector<TensorProto*> tensors = tensors_of(graph);
  switch (random.below(12)) {
    case 0:
    case 1:
      if (graph.input_size() > 0) {
        mutate_type(*graph.mutable_input(static_cast<int>(random.below(graph.input_size())))
                         ->mutable_type(),
                    random);
      }
      break;
    case 2:
      if (!tensors.empty()) mutate_tensor(*tensors[random.below(tensors.size())], random);
      break;
    case 3: model.set_model_version(static_cast<int64_t>(random.next())); break;
    case 4:
      if (model.opset_import_size() > 0) {
        model.mutable_opset_import(0)->set_version(static_cast<int64_t>(1 + random.below(28)));
      }
      break;
    case 5: add_node(graph, random); break;
    case 6:
      if (graph.node_size() > 1 && random.one_in(2)) {
        graph.mutable_node()->DeleteSubrange(static_cast<int>(random.below(graph.node_size())), 1);
      } else if (graph.output_size() > 0) {
        graph.mutable_output(0)->clear_type();
      }
      break;
    default:
      if (graph.node_size() > 0) {
        mutate_node(*graph.mutable_node(static_cast<int>(random.below(graph.node_size()))), graph,
                    random);
      }
  }
}

}  // namespace

void mutate(ModelProto& model, uint64_t seed) {
  Random random(seed);
  for (size_t i = 1 + random.below(4); i > 0; --i) mutate_once(model, random);
}

void cross(ModelProto& model, const ModelProto& other, uint64_t seed) {
  Random random(seed);
  GraphProto& graph = *model.mutable_graph();
  const GraphProto& from = other.graph();
  if (from.node_size() == 0 || graph.node_size() >= kMostNodes) return;
  const NodeProto& donor = from.node(static_cast<int>(random.below(from.node_size())));
  if (graph.node_size() > 0 && random.one_in(2)) {
    // Another operator with its attributes, on the values that are here.
    NodeProto& node = *graph.mutable_node(static_cast<int>(random.below(graph.node_size())));
    node.set_op_type(donor.op_type());
    *node.mutable_attribute() = donor.attribute();
    return;
  }
  // All of the other model, its inputs become this one's.
  graph.mutable_node()->MergeFrom(from.node());
  graph.mutable_initializer()->MergeFrom(from.initializer());
  graph.mutable_input()->MergeFrom(from.input());
  if (graph.node_size() > 1 && donor.input_size() > 0) {
    NodeProto& last = *graph.mutable_node(graph.node_size() - 1);
    if (last.input_size() > 0) last.set_input(0, any_of(value_names(graph), random));
  }
}

}  // namespace penstock::fuzz
