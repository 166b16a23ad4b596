// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <penstock/status.h>
#include "ir/graph.h"
#include "onnx/onnx-ml.pb.h"

namespace penstock::importer {

using Names = std::vector<std::string>;
using Extents = std::vector<std::variant<int64_t, const char*>>;  // 3, "batch", "" for unknown
using AttributeValue = std::variant<int64_t, float, const char*, std::vector<int64_t>,
                                    std::vector<float>, onnx::TensorProto, onnx::GraphProto>;
using AttributeValues = std::vector<std::pair<std::string, AttributeValue>>;

onnx::TensorProto float_tensor(const std::string& name, const std::vector<int64_t>& shape,
                               const std::vector<float>& values);
onnx::TensorProto int64_tensor(const std::string& name, const std::vector<int64_t>& values);
onnx::ValueInfoProto value_info(const std::string& name, int type, const Extents& shape);
onnx::NodeProto make_node(const std::string& op, const Names& inputs, const Names& outputs,
                          const AttributeValues& attributes = {}, const std::string& name = "");

constexpr int kFloat = onnx::TensorProto::FLOAT;
constexpr int kInt64 = onnx::TensorProto::INT64;
constexpr int kBool = onnx::TensorProto::BOOL;

// Builds the small models that tests import.
class ModelBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 17);

  ModelBuilder& input(const std::string& name, const Extents& shape, int type = kFloat);
  ModelBuilder& initializer(onnx::TensorProto tensor);
  ModelBuilder& node(const std::string& op, const Names& inputs, const Names& outputs,
                     const AttributeValues& attributes = {}, const std::string& name = "");
  // Without a type, as far as the importer is concerned.
  ModelBuilder& output(const std::string& name);
  ModelBuilder& output(const std::string& name, const Extents& shape, int type = kFloat);

  onnx::ModelProto proto;
  std::string bytes() const { return proto.SerializeAsString(); }
  Result<ir::Graph> import() const;
  // The error of an import that must fail.
  Status error() const;
};

Result<ir::Graph> import_bytes(const std::string& bytes, const std::string& folder = ".");
// "Conv Relu MatMul"
std::string ops_of(const ir::Region& region);

}  // namespace penstock::importer
